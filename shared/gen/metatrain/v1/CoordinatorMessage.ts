// Original file: proto/metatrain/v1/worker.proto

import type { Welcome as _metatrain_v1_Welcome, Welcome__Output as _metatrain_v1_Welcome__Output } from '../../metatrain/v1/Welcome.ts';
import type { HeartbeatReply as _metatrain_v1_HeartbeatReply, HeartbeatReply__Output as _metatrain_v1_HeartbeatReply__Output } from '../../metatrain/v1/HeartbeatReply.ts';
import type { JobOpened as _metatrain_v1_JobOpened, JobOpened__Output as _metatrain_v1_JobOpened__Output } from '../../metatrain/v1/JobOpened.ts';
import type { JobClosed as _metatrain_v1_JobClosed, JobClosed__Output as _metatrain_v1_JobClosed__Output } from '../../metatrain/v1/JobClosed.ts';
import type { PayloadChunk as _metatrain_v1_PayloadChunk, PayloadChunk__Output as _metatrain_v1_PayloadChunk__Output } from '../../metatrain/v1/PayloadChunk.ts';
import type { ParamsAnnounced as _metatrain_v1_ParamsAnnounced, ParamsAnnounced__Output as _metatrain_v1_ParamsAnnounced__Output } from '../../metatrain/v1/ParamsAnnounced.ts';
import type { ShardLease as _metatrain_v1_ShardLease, ShardLease__Output as _metatrain_v1_ShardLease__Output } from '../../metatrain/v1/ShardLease.ts';
import type { LeaseCancelled as _metatrain_v1_LeaseCancelled, LeaseCancelled__Output as _metatrain_v1_LeaseCancelled__Output } from '../../metatrain/v1/LeaseCancelled.ts';
import type { Drain as _metatrain_v1_Drain, Drain__Output as _metatrain_v1_Drain__Output } from '../../metatrain/v1/Drain.ts';
import type { CoordinatorBatch as _metatrain_v1_CoordinatorBatch, CoordinatorBatch__Output as _metatrain_v1_CoordinatorBatch__Output } from '../../metatrain/v1/CoordinatorBatch.ts';
import type { LearnerOpened as _metatrain_v1_LearnerOpened, LearnerOpened__Output as _metatrain_v1_LearnerOpened__Output } from '../../metatrain/v1/LearnerOpened.ts';
import type { LearnerClosed as _metatrain_v1_LearnerClosed, LearnerClosed__Output as _metatrain_v1_LearnerClosed__Output } from '../../metatrain/v1/LearnerClosed.ts';
import type { SpanStopped as _metatrain_v1_SpanStopped, SpanStopped__Output as _metatrain_v1_SpanStopped__Output } from '../../metatrain/v1/SpanStopped.ts';

export interface CoordinatorMessage {
  'welcome'?: (_metatrain_v1_Welcome | null);
  'heartbeatReply'?: (_metatrain_v1_HeartbeatReply | null);
  'jobOpened'?: (_metatrain_v1_JobOpened | null);
  'jobClosed'?: (_metatrain_v1_JobClosed | null);
  'payloadChunk'?: (_metatrain_v1_PayloadChunk | null);
  'paramsAnnounced'?: (_metatrain_v1_ParamsAnnounced | null);
  'shardLease'?: (_metatrain_v1_ShardLease | null);
  'leaseCancelled'?: (_metatrain_v1_LeaseCancelled | null);
  'drain'?: (_metatrain_v1_Drain | null);
  'batch'?: (_metatrain_v1_CoordinatorBatch | null);
  'learnerOpened'?: (_metatrain_v1_LearnerOpened | null);
  'learnerClosed'?: (_metatrain_v1_LearnerClosed | null);
  'spanStopped'?: (_metatrain_v1_SpanStopped | null);
  'message'?: "welcome"|"heartbeatReply"|"jobOpened"|"jobClosed"|"payloadChunk"|"paramsAnnounced"|"shardLease"|"leaseCancelled"|"drain"|"batch"|"learnerOpened"|"learnerClosed"|"spanStopped";
}

export interface CoordinatorMessage__Output {
  'welcome'?: (_metatrain_v1_Welcome__Output | null);
  'heartbeatReply'?: (_metatrain_v1_HeartbeatReply__Output | null);
  'jobOpened'?: (_metatrain_v1_JobOpened__Output | null);
  'jobClosed'?: (_metatrain_v1_JobClosed__Output | null);
  'payloadChunk'?: (_metatrain_v1_PayloadChunk__Output | null);
  'paramsAnnounced'?: (_metatrain_v1_ParamsAnnounced__Output | null);
  'shardLease'?: (_metatrain_v1_ShardLease__Output | null);
  'leaseCancelled'?: (_metatrain_v1_LeaseCancelled__Output | null);
  'drain'?: (_metatrain_v1_Drain__Output | null);
  'batch'?: (_metatrain_v1_CoordinatorBatch__Output | null);
  'learnerOpened'?: (_metatrain_v1_LearnerOpened__Output | null);
  'learnerClosed'?: (_metatrain_v1_LearnerClosed__Output | null);
  'spanStopped'?: (_metatrain_v1_SpanStopped__Output | null);
  'message'?: "welcome"|"heartbeatReply"|"jobOpened"|"jobClosed"|"payloadChunk"|"paramsAnnounced"|"shardLease"|"leaseCancelled"|"drain"|"batch"|"learnerOpened"|"learnerClosed"|"spanStopped";
}
