// What parts say when they do not take a task or a model.
import { bodyOf, headOf, type Parameter, type TaskFacts } from '../facts.ts';

export const supportNeeded = ({ sets }: TaskFacts): string | undefined =>
  sets.includes('support') ? undefined : 'tasks with a support set';

export const supportOfClassesNeeded = ({ sets, target }: TaskFacts): string | undefined =>
  sets.includes('support') && target === 'classes' ? undefined : 'tasks of classes with a support set';

export const headNeeded = (parameters: readonly Parameter[]): string | undefined =>
  headOf(parameters).length > 0 ? undefined : 'a model with a head';

export const bodyAndHeadNeeded = (parameters: readonly Parameter[]): string | undefined =>
  headOf(parameters).length > 0 && bodyOf(parameters).length > 0
    ? undefined
    : 'a model with a head and parameters before it';
