// The controller's writes to the API server. Each names the version of the resource on which it was
// decided, so the API server refuses a write that was decided on an old version.
import type { ApiClient } from './kube/api-client.ts';
import { isMissing } from './kube/errors.ts';
import { apiVersion, finalizer, kind, type MetaTrainJob, type MetaTrainJobStatus, resourcesPath } from './resource.ts';
import { statusPatch, type Told } from './transitions.ts';

const mergePatch = 'application/merge-patch+json';

export interface ResourcesApiOptions {
  /** This process, in events. */
  readonly identity: string;
  readonly randomName: () => string;
  /** Wall clock, milliseconds. */
  readonly now: () => number;
}

export class ResourcesApi {
  readonly #api: ApiClient;
  readonly #options: ResourcesApiOptions;

  constructor(api: ApiClient, options: ResourcesApiOptions) {
    this.#api = api;
    this.#options = options;
  }

  /** @throws KubeError: 409 when the resource has changed, 404 when it is gone */
  writeStatus(resource: MetaTrainJob, status: MetaTrainJobStatus): Promise<MetaTrainJob> {
    const body = { ...versionOf(resource), status: statusPatch(resource.status, status) };
    return this.#patch(`${pathOf(resource)}/status`, body);
  }

  /** @throws KubeError */
  addFinalizer(resource: MetaTrainJob): Promise<MetaTrainJob> {
    return this.#writeFinalizers(resource, [...(resource.metadata.finalizers ?? []), finalizer]);
  }

  /** Undefined when the resource is gone with it. @throws KubeError */
  async removeFinalizer(resource: MetaTrainJob): Promise<MetaTrainJob | undefined> {
    const others = (resource.metadata.finalizers ?? []).filter((each) => each !== finalizer);
    return gone(this.#writeFinalizers(resource, others));
  }

  /** Never deletes another resource of the same name. @throws KubeError */
  async deleteResource(resource: MetaTrainJob): Promise<void> {
    const { uid, resourceVersion } = resource.metadata;
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion } };
    await gone(this.#api.request({ method: 'DELETE', path: pathOf(resource), body }));
  }

  /** An Event of the resource, for `kubectl describe`. @throws KubeError */
  async tell(resource: MetaTrainJob, { type, reason, note }: Told, action: string): Promise<void> {
    const { name, namespace = 'default', uid, resourceVersion } = resource.metadata;
    const { identity, randomName, now } = this.#options;
    const body = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: `${name.slice(0, 200)}.${randomName()}`, namespace },
      eventTime: new Date(now()).toISOString().replace('Z', '000Z'),
      reportingController: 'metatrain.dev/controller',
      reportingInstance: identity.slice(0, 128),
      action,
      reason,
      type,
      // The API's limit.
      note: note.slice(0, 1_000),
      regarding: { apiVersion, kind, name, namespace, uid, resourceVersion },
    };
    await this.#api.request({ method: 'POST', path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`, body });
  }

  #writeFinalizers(resource: MetaTrainJob, finalizers: readonly string[]): Promise<MetaTrainJob> {
    const { resourceVersion } = resource.metadata;
    return this.#patch(pathOf(resource), { metadata: { resourceVersion, finalizers } });
  }

  #patch(path: string, body: unknown): Promise<MetaTrainJob> {
    return this.#api.request({ method: 'PATCH', path, body, contentType: mergePatch });
  }
}

const pathOf = ({ metadata: { name, namespace = 'default' } }: MetaTrainJob): string =>
  `${resourcesPath(namespace)}/${name}`;

const versionOf = ({ metadata: { resourceVersion } }: MetaTrainJob) => ({ metadata: { resourceVersion } });

async function gone<Result>(request: Promise<Result>): Promise<Result | undefined> {
  try {
    return await request;
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}
