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
import type { ModelRequests } from '../model-requests.ts';
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
    const { exchange } = context.env;
    const body = read(adaptBody, await exchange.body(maxModelBodyBytes));
    const call = {
      jobId: body.job_id,
      step: body.step,
      innerSteps: body.inner_steps,
      support: body.support.map((one, at) => supportOf(`support[${at}]`, one)),
      keepSeconds: body.keep_seconds,
      returnState: body.return_state,
    };
    const made = await models.adapt(call, context.var.visitor, { signal: exchange.over });
    return answerJson(context, { models: made.map((model) => row(model, body.return_state)) } satisfies AdaptedModels);
  });

  app.post('/api/v1/models/predict', mayPredict, async (context) => {
    const { exchange } = context.env;
    const { adapted_id, job_id, step, inner_steps, support, queries } = read(
      predictBody,
      await exchange.body(maxModelBodyBytes),
    );
    const call = {
      adaptedId: adapted_id,
      jobId: job_id,
      step,
      innerSteps: inner_steps,
      support: support && supportOf('support', support),
      queries: inputsOf('queries', queries),
    };
    const predicted: PredictAnswer = await models.predict(call, context.var.visitor, { signal: exchange.over });
    return answerJson(context, predicted);
  });

  app.get('/api/v1/models', mayPredict, (context) => {
    const kept = models.adapted.list(context.var.visitor);
    return answerJson(context, { models: kept.map((model) => row(model, false)) } satisfies AdaptedModels);
  });

  app.get('/api/v1/models/:adaptedId', mayPredict, (context) =>
    answerJson(context, row(models.withState(context.req.param('adaptedId'), context.var.visitor), true)),
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
    ...(withState && { state: stateOf(adapted) }),
  };
}

const stateOf = ({ layout: { tensors }, state }: AdaptedFacts['adapted']): AdaptedState => ({
  tensors,
  data: bytesOfVector(state).toString('base64'),
});
