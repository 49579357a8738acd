// The reasons why worker pods are not running, in Kubernetes' own words: from the conditions and
// containers of pods, and from the condition of the Deployment, which tells when a quota refuses pods.
// Pure.
import type { Deployment, Pod } from './kube/objects.ts';

const maxProblems = 3;

/** A few sentences at most, each with the number of its pods. */
export function podProblems(pods: readonly Pod[], deployments: readonly Deployment[]): string[] {
  const counts = new Map<string, number>();
  for (const pod of pods) {
    const problem = problemOf(pod);
    if (problem !== undefined) counts.set(problem, (counts.get(problem) ?? 0) + 1);
  }
  const ofPods = [...counts].sort(([, a], [, b]) => b - a).map(([problem, count]) => `${count} × ${problem}`);
  return [...deployments.flatMap(problemsOfDeployment), ...ofPods].slice(0, maxProblems);
}

function problemsOfDeployment({ metadata, spec, status }: Deployment): string[] {
  const failure = status?.conditions?.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True');
  if (failure) return [`Deployment ${metadata.name}: ${failure.reason ?? 'ReplicaFailure'}: ${failure.message ?? ''}`];
  return spec?.replicas === 0 ? [`Deployment ${metadata.name} has 0 replicas`] : [];
}

function problemOf({ metadata, status }: Pod): string | undefined {
  if (metadata.deletionTimestamp !== undefined) return undefined;
  const unscheduled = status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  if (unscheduled) return `${unscheduled.reason ?? 'Unschedulable'}: ${unscheduled.message ?? ''}`;
  for (const { name, state, lastState } of status?.containerStatuses ?? []) {
    const { reason = '', message = '' } = state?.waiting ?? {};
    const last = lastState?.terminated?.reason;
    // Such as ImagePullBackOff or CrashLoopBackOff; ContainerCreating is no problem yet.
    if (reason.startsWith('Err') || reason.endsWith('BackOff') || reason.startsWith('CreateContainer')) {
      return `${reason}: container ${name}${last === undefined ? '' : ` (last ended: ${last})`}${message && `: ${message}`}`;
    }
    const ended = state?.terminated?.reason;
    if (ended !== undefined && ended !== 'Completed') return `${ended}: container ${name}`;
  }
  return undefined;
}
