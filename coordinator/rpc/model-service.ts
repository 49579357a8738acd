// ModelService: trained models in use. Translates; the model requests check and compute.
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { Clock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { AdaptedModel as AdaptedModelMessage } from '../../shared/gen/metatrain/v1/AdaptedModel.ts';
import type { Inputs__Output } from '../../shared/gen/metatrain/v1/Inputs.ts';
import type { ModelServiceHandlers } from '../../shared/gen/metatrain/v1/ModelService.ts';
import type { SupportSet__Output } from '../../shared/gen/metatrain/v1/SupportSet.ts';
import type { Logger } from '../../shared/log.ts';
import { bytesOfVector } from '../../shared/tensor-codec.ts';
import type { Caller } from '../access/authentication.ts';
import type { ModelChoice, ModelRequests } from '../model-requests.ts';
import { type AdaptedFacts, type AdaptedModel, bytesOf } from '../models/adapted-models.ts';
import { invalid, type ModelInputs, type SupportSet } from '../models/support-set.ts';
import type { RequestOptions } from '../runner/request-effects.ts';
import { callerOf } from './caller.ts';
import { timestamp } from './job-messages.ts';
import { toServiceError } from './status.ts';

interface ModelServiceDependencies {
  readonly models: ModelRequests;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A request is waited for at most so long, whatever the call's deadline. */
const longestWaitMs = 60_000;

export function modelService({ models, clock, log }: ModelServiceDependencies): ModelServiceHandlers {
  const answered = <Request, Response>(
    handle: (request: Request, caller: Caller, options: RequestOptions) => Promise<Response> | Response,
  ) => waited(handle, clock, log);
  return {
    Adapt: answered(async (request, caller, options) => {
      const { support, keepSeconds, returnState } = request;
      const call = { ...choiceOf(request), support: support.map(supportOf), keepSeconds, returnState };
      const made = await models.adapt(call, caller, options);
      return { models: made.map((model) => modelMessage(model, returnState)) };
    }),
    Predict: answered(async (request, caller, options) => {
      const { adaptedId, jobId, support, step, innerSteps } = request;
      const call = {
        adaptedId: adaptedId || undefined,
        jobId: jobId || undefined,
        step,
        innerSteps,
        support: support ? supportOf(support) : undefined,
        queries: inputsOf('queries', request.queries),
      };
      const predicted = await models.predict(call, caller, options);
      const { predictions, classes } = predicted;
      return {
        predictions: predictions.map(({ outputs, className = '', probabilities = [] }) => ({
          outputs: [...outputs],
          className,
          probabilities: [...probabilities],
        })),
        classes: [...classes],
        jobId: predicted.jobId,
        step: predicted.step,
      };
    }),
    ListAdapted: answered((_request, caller) => ({
      models: models.adapted.list(caller).map((model) => modelMessage(model, false)),
    })),
    GetAdapted: answered(({ adaptedId }, caller) => modelMessage(models.withState(adaptedId, caller), true)),
    DropAdapted: answered(({ adaptedId }, caller) => {
      models.adapted.drop(adaptedId, caller);
      return {};
    }),
  };
}

/** A handler whose call may be given up, or run out of time, while workers compute. */
const waited =
  <Request, Response>(
    handle: (request: Request, caller: Caller, options: RequestOptions) => Promise<Response> | Response,
    clock: Clock,
    log: Logger,
  ) =>
  (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    const over = new AbortController();
    call.on('cancelled', () => over.abort(new MetatrainError('DEADLINE_EXCEEDED', 'the call was given up')));
    const patienceMs = Math.min(longestWaitMs, Number(call.getDeadline()) - clock.now());
    Promise.resolve()
      .then(() => handle(call.request, callerOf(call.metadata), { patienceMs, signal: over.signal }))
      .then(
        (response) => callback(null, response),
        (thrown: unknown) => callback(toServiceError(thrown, log)),
      );
  };

const choiceOf = ({ jobId, step, innerSteps }: { jobId: string; step?: number; innerSteps?: number }): ModelChoice => ({
  jobId,
  step,
  innerSteps,
});

const supportOf = ({ inputs, targets, labels }: SupportSet__Output): SupportSet => ({
  inputs: inputsOf('support.inputs', inputs),
  targets,
  labels,
});

function inputsOf(field: string, inputs: Inputs__Output | null): ModelInputs {
  switch (inputs?.form) {
    case 'numbers':
      return { form: 'number', values: Float32Array.from(inputs.numbers!.values) };
    case 'images':
      return { form: 'image', items: inputs.images!.files };
    case 'texts':
      return { form: 'text', items: inputs.texts!.texts.map((text) => Buffer.from(text)) };
    default:
      throw invalid(field, 'nothing', 'numbers, images or texts');
  }
}

function modelMessage(model: AdaptedFacts & Partial<AdaptedModel>, withState: boolean): AdaptedModelMessage {
  const { adaptedId = '', jobId, step, point, classes, examples, adaptedAt, expiresAt, adapted } = model;
  const tensors = adapted.layout.tensors.map(({ name, shape }) => ({ name, shape: [...shape] }));
  return {
    adaptedId,
    jobId,
    step,
    point,
    classes: [...classes],
    examples,
    bytes: bytesOf(model),
    ...(adaptedAt !== undefined && { adaptedAt: timestamp(adaptedAt) }),
    ...(expiresAt !== undefined && { expiresAt: timestamp(expiresAt) }),
    ...(withState && { state: { layout: { tensors }, data: bytesOfVector(adapted.state) } }),
  };
}
