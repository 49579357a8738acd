// All objects of an installation by file, in the order in which they are applied. The chart's
// templates and the files of base and overlays have these names.
import { autoscalingObjects } from './autoscaling.ts';
import { certificateObjects } from './certificates.ts';
import { namespaceObject, priorityObjects } from './cluster.ts';
import { controllerObjects } from './controller.ts';
import { coordinatorObjects } from './coordinator.ts';
import { definitionObjects } from './definition.ts';
import { gatewayObjects } from './gateway.ts';
import { monitoringObjects } from './monitoring.ts';
import { natsObjects } from './nats.ts';
import { networkPolicyObjects } from './network-policies.ts';
import { type JsonObject, type Node, plain, resolve, type Values } from './nodes.ts';
import { workerObjects } from './worker.ts';

export const objects: Readonly<Record<string, readonly Node[]>> = {
  'definition.yaml': definitionObjects,
  'priority-classes.yaml': priorityObjects,
  'coordinator.yaml': coordinatorObjects,
  'worker.yaml': workerObjects,
  'controller.yaml': controllerObjects,
  'certificates.yaml': certificateObjects,
  'network-policies.yaml': networkPolicyObjects,
  'monitoring.yaml': monitoringObjects,
  'autoscaling.yaml': autoscalingObjects,
  'gateway.yaml': gatewayObjects,
  'nats.yaml': natsObjects,
};

/** File → its objects as the values make them; with notes. */
export function resolvedObjects(values: Values): ReadonlyMap<string, readonly Node[]> {
  const all = Object.entries(objects).map(
    ([file, nodes]) => [file, nodes.map((node) => resolve(node, values)).filter((node) => node !== undefined)] as const,
  );
  return new Map([['namespace.yaml', [namespaceObject]], ...all.filter(([, nodes]) => nodes.length > 0)]);
}

/** An object of Kubernetes, as far as its kind does not matter. */
export interface KubeObject extends JsonObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: JsonObject & { readonly name: string };
}

/** Such as `Deployment metatrain-worker`. */
export const identityOf = ({ kind, metadata }: KubeObject): string => `${kind} ${metadata.name}`;

export const plainObjects = (values: Values): KubeObject[] =>
  [...resolvedObjects(values).values()].flat().map((node) => plain(node) as KubeObject);
