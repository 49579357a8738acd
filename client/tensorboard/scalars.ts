// Turns a job's history into TensorBoard's scalars: how training went, and each evaluation. Pure.
import { pointText } from '../../shared/measures.ts';
import type { JobHistory } from '../history.ts';
import type { Scalar } from './event-file.ts';

/**
 * Training under `train/`, evaluations under `evaluation/`: of a measure along an axis, each point
 * is a tag of its own, such as `evaluation/accuracy/5 inner steps`. The step is the number of
 * meta-steps applied.
 */
export function scalarsOf({ metaSteps, story }: JobHistory): Scalar[] {
  const training = metaSteps.flatMap(({ step, measures, metaGradientNorm, learningRate }) => [
    ...measures.map(({ name, value }) => ({ tag: `train/${name}`, step, value })),
    { tag: 'train/meta-gradient norm', step, value: metaGradientNorm },
    { tag: 'train/learning rate', step, value: learningRate },
  ]);
  const evaluations = story.flatMap((event) => (event.kind === 'evaluated' ? [event.evaluation] : []));
  const evaluated = evaluations.flatMap(({ step, measures }) =>
    measures.flatMap(({ name, axis, points, estimates }) =>
      estimates.map(({ mean }, index) => {
        const place = pointText(axis, points[index] ?? '');
        return { tag: ['evaluation', name, place].filter(Boolean).join('/'), step, value: mean };
      }),
    ),
  );
  return [...training, ...evaluated];
}
