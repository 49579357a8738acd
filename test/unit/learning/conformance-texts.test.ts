// Conformance of what takes texts.
import { describe } from 'node:test';
import { describeConformance } from './conformance.ts';

describe('every algorithm on every model and task distribution of texts', () => {
  describeConformance('tokens');
});
