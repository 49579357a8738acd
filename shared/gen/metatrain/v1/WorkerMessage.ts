// Original file: proto/metatrain/v1/worker.proto

import type { Hello as _metatrain_v1_Hello, Hello__Output as _metatrain_v1_Hello__Output } from '../../metatrain/v1/Hello.ts';
import type { Heartbeat as _metatrain_v1_Heartbeat, Heartbeat__Output as _metatrain_v1_Heartbeat__Output } from '../../metatrain/v1/Heartbeat.ts';
import type { PayloadChunk as _metatrain_v1_PayloadChunk, PayloadChunk__Output as _metatrain_v1_PayloadChunk__Output } from '../../metatrain/v1/PayloadChunk.ts';
import type { ShardResult as _metatrain_v1_ShardResult, ShardResult__Output as _metatrain_v1_ShardResult__Output } from '../../metatrain/v1/ShardResult.ts';
import type { ShardFailure as _metatrain_v1_ShardFailure, ShardFailure__Output as _metatrain_v1_ShardFailure__Output } from '../../metatrain/v1/ShardFailure.ts';
import type { Drain as _metatrain_v1_Drain, Drain__Output as _metatrain_v1_Drain__Output } from '../../metatrain/v1/Drain.ts';
import type { WorkerBatch as _metatrain_v1_WorkerBatch, WorkerBatch__Output as _metatrain_v1_WorkerBatch__Output } from '../../metatrain/v1/WorkerBatch.ts';
import type { ShardProgress as _metatrain_v1_ShardProgress, ShardProgress__Output as _metatrain_v1_ShardProgress__Output } from '../../metatrain/v1/ShardProgress.ts';
import type { ResultsHeld as _metatrain_v1_ResultsHeld, ResultsHeld__Output as _metatrain_v1_ResultsHeld__Output } from '../../metatrain/v1/ResultsHeld.ts';

export interface WorkerMessage {
  'hello'?: (_metatrain_v1_Hello | null);
  'heartbeat'?: (_metatrain_v1_Heartbeat | null);
  'payloadChunk'?: (_metatrain_v1_PayloadChunk | null);
  'shardResult'?: (_metatrain_v1_ShardResult | null);
  'shardFailure'?: (_metatrain_v1_ShardFailure | null);
  'drain'?: (_metatrain_v1_Drain | null);
  'batch'?: (_metatrain_v1_WorkerBatch | null);
  'shardProgress'?: (_metatrain_v1_ShardProgress | null);
  'resultsHeld'?: (_metatrain_v1_ResultsHeld | null);
  'message'?: "hello"|"heartbeat"|"payloadChunk"|"shardResult"|"shardFailure"|"drain"|"batch"|"shardProgress"|"resultsHeld";
}

export interface WorkerMessage__Output {
  'hello'?: (_metatrain_v1_Hello__Output | null);
  'heartbeat'?: (_metatrain_v1_Heartbeat__Output | null);
  'payloadChunk'?: (_metatrain_v1_PayloadChunk__Output | null);
  'shardResult'?: (_metatrain_v1_ShardResult__Output | null);
  'shardFailure'?: (_metatrain_v1_ShardFailure__Output | null);
  'drain'?: (_metatrain_v1_Drain__Output | null);
  'batch'?: (_metatrain_v1_WorkerBatch__Output | null);
  'shardProgress'?: (_metatrain_v1_ShardProgress__Output | null);
  'resultsHeld'?: (_metatrain_v1_ResultsHeld__Output | null);
  'message'?: "hello"|"heartbeat"|"payloadChunk"|"shardResult"|"shardFailure"|"drain"|"batch"|"shardProgress"|"resultsHeld";
}
