// ModelService: trained models in use. Translates; the model requests check and compute.
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { Clock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { AdaptedModel as AdaptedModelMessage } from '../../shared/gen/metatrain/v1/AdaptedModel.ts';
import type { Inputs__Output } from '../../shared/gen/metatrain/v1/Inputs.ts';
import type { ModelServiceHandlers } from '../../shared/gen/metatrain/v1/ModelService.ts';
import type { SupportSet__Output } from '../../shared/gen/metatrain/v1/SupportSet.ts';
import type { Logger } from '../../shared/log.ts';
import { formatBytes } from '../../shared/numbers.ts';
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

/** What a message may carry of an adapted state. */
const maxStateBytes = 3 * 2 ** 20;

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
      const { adaptedId, jobId, support } = request;
      const queries = inputsOf('queries', request.queries);
      if ((adaptedId === '') === (jobId === '')) {
        const got = adaptedId === '' ? 'neither of them' : 'both';
        throw invalid('adapted_id, job_id', got, 'an adapted model, or a job with a support set');
      }
      if (adaptedId !== '' && support) throw invalid('support', 'a support set', 'none with adapted_id');
      const choice = adaptedId === '' ? { ...choiceOf(request), support: supportOf(support) } : { adaptedId };
      const {
        predictions,
        classes,
        step,
        jobId: ofJob,
      } = await models.predict({ ...choice, queries }, caller, options);
      return {
        predictions: predictions.map(({ outputs, className = '', probabilities = [] }) => ({
          outputs: [...outputs],
          className,
          probabilities: [...probabilities],
        })),
        classes: [...classes],
        jobId: ofJob,
        step,
      };
    }),
    ListAdapted: answered((_request, caller) => ({
      models: models.adapted.list(caller).map((model) => modelMessage(model, false)),
    })),
    GetAdapted: answered(({ adaptedId }, caller) => modelMessage(models.adapted.get(adaptedId, caller), true)),
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

function supportOf(support: SupportSet__Output | null): SupportSet {
  if (!support) throw invalid('support', 'nothing', 'a support set');
  const { inputs, targets, labels } = support;
  return { inputs: inputsOf('support.inputs', inputs), targets, labels };
}

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
  const bytes = bytesOf(model);
  if (withState && bytes > maxStateBytes) {
    throw invalid(
      'return_state',
      `an adapted state of ${formatBytes(bytes)}`,
      `at most ${formatBytes(maxStateBytes)}: adapt with the checkpoint instead`,
    );
  }
  const tensors = adapted.layout.tensors.map(({ name, shape }) => ({ name, shape: [...shape] }));
  return {
    adaptedId,
    jobId,
    step,
    point,
    classes: [...classes],
    examples,
    bytes,
    ...(adaptedAt !== undefined && { adaptedAt: timestamp(adaptedAt) }),
    ...(expiresAt !== undefined && { expiresAt: timestamp(expiresAt) }),
    ...(withState && { state: { layout: { tensors }, data: bytesOfVector(adapted.state) } }),
  };
}
