// Pods as tests read them, and a record of how each of their containers ended.
import type { TestContext } from 'node:test';
import { RunningKubectl } from './kubectl.ts';
import type { KubernetesObject } from './wait-for.ts';

export interface ContainerState {
  readonly running?: { readonly startedAt: string };
  readonly waiting?: { readonly reason?: string };
  readonly terminated?: {
    readonly exitCode: number;
    readonly reason?: string;
    readonly startedAt: string;
    readonly finishedAt: string;
    readonly containerID?: string;
  };
}

export interface Pod extends KubernetesObject {
  readonly spec: { readonly nodeName?: string; readonly terminationGracePeriodSeconds: number };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly restartCount: number;
      readonly state: ContainerState;
      readonly lastState: ContainerState;
    }[];
  };
}

export const isReady = ({ metadata, status }: Pod): boolean =>
  metadata.deletionTimestamp === undefined &&
  (status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false);

/** One container's end after its pod was told to go. */
export interface Ending {
  readonly pod: string;
  readonly exitCode: number;
  readonly reason: string;
  /** Seconds from the request to the end. */
  readonly seconds: number;
  readonly graceSeconds: number;
}

/** Watches a namespace's pods and notes how the containers of deleted pods ended. */
export class Endings {
  readonly #watch: RunningKubectl;

  constructor(t: TestContext, namespace: string) {
    const args = ['get', 'pods', '--namespace', namespace, '--watch', '--output-watch-events', '--output=json'];
    this.#watch = new RunningKubectl(t, args);
  }

  /** Every end so far of a pod that was deleted with a grace period, one for each container. */
  get all(): Ending[] {
    const endings = new Map<string, Ending>();
    for (const line of this.#watch.lines) {
      const { object } = JSON.parse(line) as { object: Pod };
      const { deletionTimestamp, deletionGracePeriodSeconds, name, uid } = object.metadata;
      // A forced deletion sets the grace to 0; only the first, real one counts.
      if (deletionTimestamp === undefined || !deletionGracePeriodSeconds) continue;
      const toldAt = Date.parse(deletionTimestamp) / 1000 - deletionGracePeriodSeconds;
      for (const { name: container, state } of object.status.containerStatuses ?? []) {
        if (!state.terminated) continue;
        const { exitCode, reason = '', finishedAt } = state.terminated;
        const seconds = Date.parse(finishedAt) / 1000 - toldAt;
        const graceSeconds = object.spec.terminationGracePeriodSeconds;
        endings.set(`${uid} ${container}`, { pod: name, exitCode, reason, seconds, graceSeconds });
      }
    }
    return [...endings.values()];
  }
}
