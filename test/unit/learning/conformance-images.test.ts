// Conformance of what takes images.
import { describe } from 'node:test';
import { describeConformance } from './conformance.ts';

describe('every algorithm on every model and task distribution of images', () => {
  describeConformance('image');
});
