// Trained models over HTTP: /api/v1/models, the same as ModelService. Checks the JSON of requests
// (fields as proto/ spells them), and answers in JSON.
import type { AdaptedModelRow, AdaptedModels, AdaptedState, PredictAnswer } from '../../shared/http-api.ts';
import { answerJson, type HttpApp } from '../../shared/http-server.ts';
import {
  adaptBody,
  type BodySchema,
  type GivenInputs,
  type GivenSupport,
  predictBody,
} from '../../shared/model-bodies.ts';
import { bytesOfVector } from '../../shared/tensor-codec.ts';
import type { ModelChoice, ModelRequests } from '../model-requests.ts';
import { type AdaptedFacts, type AdaptedModel, bytesOf } from '../models/adapted-models.ts';
import { invalid, type ModelInputs, type SupportSet } from '../models/support-set.ts';
import type { Gate } from './gate.ts';

/** Images take the most. */
const maxModelBodyBytes = 32 * 2 ** 20;

export function modelRoutes(
  app: HttpApp,
  { gate, models }: { readonly gate: Gate; readonly models: ModelRequests },
): void {
  const mayPredict = gate.admits('predict', 'admin');

  app.get('/api/v1/jobs/:jobId/task', gate.admits('read', 'predict', 'admin'), (context) =>
    answerJson(context, models.taskOf(context.req.param('jobId'))),
  );

  app.post('/api/v1/models/adapt', mayPredict, async (context) => {
    const { exchange, visitor } = { ...context.env, ...context.var };
    const body = read(adaptBody, await exchange.body(maxModelBodyBytes));
    const call = {
      ...choiceOf(body.job_id, body),
      support: body.support.map((one, at) => supportOf(`support[${at}]`, one)),
      keepSeconds: body.keep_seconds,
      returnState: body.return_state,
    };
    const made = await models.adapt(call, visitor, { signal: exchange.over });
    return answerJson(context, { models: made.map((model) => row(model, body.return_state)) } satisfies AdaptedModels);
  });

  app.post('/api/v1/models/predict', mayPredict, async (context) => {
    const { exchange, visitor } = { ...context.env, ...context.var };
    const {
      adapted_id: adaptedId,
      job_id: jobId,
      support,
      queries: asked,
      ...rest
    } = read(predictBody, await exchange.body(maxModelBodyBytes));
    const queries = inputsOf('queries', asked);
    const options = { signal: exchange.over };
    if (adaptedId !== undefined && (jobId !== undefined || support !== undefined)) {
      throw invalid(
        'adapted_id, job_id, support',
        'more than one of them',
        'an adapted model, or a job with a support set',
      );
    }
    if (adaptedId !== undefined) {
      return answerJson(
        context,
        (await models.predict({ adaptedId, queries }, visitor, options)) satisfies PredictAnswer,
      );
    }
    if (jobId === undefined || support === undefined) {
      throw invalid('adapted_id, job_id, support', 'too few of them', 'an adapted model, or a job with a support set');
    }
    const call = { ...choiceOf(jobId, rest), support: supportOf('support', support), queries };
    return answerJson(context, (await models.predict(call, visitor, options)) satisfies PredictAnswer);
  });

  app.get('/api/v1/models', mayPredict, (context) => {
    const kept = models.adapted.list(context.var.visitor);
    return answerJson(context, { models: kept.map((model) => row(model, false)) } satisfies AdaptedModels);
  });

  app.get('/api/v1/models/:adaptedId', mayPredict, (context) =>
    answerJson(context, row(models.adapted.get(context.req.param('adaptedId'), context.var.visitor), true)),
  );

  app.delete('/api/v1/models/:adaptedId', mayPredict, (context) => {
    models.adapted.drop(context.req.param('adaptedId'), context.var.visitor);
    return answerJson(context, {});
  });
}

function read<Body>({ safeParse }: BodySchema<Body>, body: Uint8Array): Body {
  if (body.byteLength > maxModelBodyBytes)
    throw invalid('(body)', `more than ${maxModelBodyBytes} bytes`, 'fewer examples a request');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    throw invalid('(body)', 'no JSON', 'an object such as {"job_id": …, "support": …}');
  }
  const { data, error } = safeParse(value);
  if (data !== undefined) return data;
  const { path, message } = error!.issues[0]!;
  throw invalid(path.join('.') || '(body)', message, 'what docs/using-models.md shows');
}

const choiceOf = (
  jobId: string,
  { step, inner_steps: innerSteps }: { readonly step?: number | undefined; readonly inner_steps?: number | undefined },
): ModelChoice => ({ jobId, step, innerSteps });

const supportOf = (field: string, { targets, labels, ...given }: GivenSupport): SupportSet => ({
  inputs: inputsOf(field, given),
  targets,
  labels,
});

function inputsOf(field: string, { numbers, images, texts }: GivenInputs): ModelInputs {
  const given = [numbers, images, texts].filter((one) => one !== undefined);
  if (given.length !== 1) throw invalid(field, `${given.length} of numbers, images and texts`, 'one of them');
  if (numbers) return { form: 'number', values: Float32Array.from(numbers) };
  if (images) return { form: 'image', items: images.map((file) => Buffer.from(file, 'base64')) };
  return { form: 'text', items: texts!.map((text) => Buffer.from(text)) };
}

function row(model: AdaptedFacts & Partial<AdaptedModel>, withState: boolean): AdaptedModelRow {
  const { adaptedId = '', jobId, step, point, classes, examples, adaptedAt, expiresAt, adapted } = model;
  const state: AdaptedState = {
    tensors: adapted.layout.tensors.map(({ name, shape }) => ({ name, shape: [...shape] })),
    data: bytesOfVector(adapted.state).toString('base64'),
  };
  return {
    adaptedId,
    jobId,
    step,
    point,
    classes,
    examples,
    bytes: bytesOf(model),
    ...(adaptedAt !== undefined && { adaptedAt: new Date(adaptedAt).toISOString() }),
    ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt).toISOString() }),
    ...(withState && { state }),
  };
}
