// What parts say when they do not take a task or a model.
import { type CelFacts, type CelParameters, type CelRule, celNeed } from '../cel.ts';
import { bodyOf, featureCount, headOf, type Parameter, type TaskFacts } from '../facts.ts';

export const supportNeeded = ({ sets }: TaskFacts): string | undefined =>
  sets.includes('support') ? undefined : 'tasks with a support set';

export const supportNeededCel = (task: CelFacts): CelRule => supportCel(task, true, 'tasks with a support set');

function supportCel({ sets, isStream }: CelFacts, isTaken: boolean, what: string): CelRule {
  const need = celNeed(isTaken && sets.includes('support'), what);
  return need.rule === 'true' && isStream !== undefined ? { ...need, rule: `!${isStream}` } : need;
}

export const supportOfClassesNeeded = ({ sets, target }: TaskFacts): string | undefined =>
  sets.includes('support') && target === 'classes' ? undefined : 'tasks of classes with a support set';

export const supportOfClassesNeededCel = (task: CelFacts): CelRule =>
  supportCel(task, task.target === 'classes', 'tasks of classes with a support set');

export const streamOfClassesNeeded = ({ sets, target }: TaskFacts): string | undefined =>
  sets.includes('stream') && target === 'classes' ? undefined : 'sequences of classes (task.presentations)';

export const headNeeded = (parameters: readonly Parameter[]): string | undefined =>
  headOf(parameters).length > 0 ? undefined : 'a model with a head';

export const headNeededCel = ({ hasHead = 'true' }: CelParameters): CelRule => ({
  rule: hasHead,
  message: 'needs a model with a head',
});

export const bodyAndHeadNeeded = (parameters: readonly Parameter[]): string | undefined =>
  headOf(parameters).length > 0 && bodyOf(parameters).length > 0
    ? undefined
    : 'a model with a head and parameters before it';

export const bodyAndHeadNeededCel = ({ hasBody = 'true', hasHead = 'true' }: CelParameters): CelRule => ({
  rule: [hasBody, hasHead].filter((condition) => condition !== 'true').join(' && ') || 'true',
  message: 'needs a model with a head and parameters before it',
});

export const featuresNeeded = (parameters: readonly Parameter[]): string | undefined =>
  featureCount(parameters) ? undefined : 'a model whose head has a matrix';
