// Identifies the data that a process has read. The job file may leave the choice to the worker
// (`dataSet: auto`, files in a local folder), but the data changes the numbers. So a job uses only
// the data of its first result. Pure, and needs no Node.

/** A part of a data set as it was read. */
export interface DataIdentity {
  /** Such as `omniglot`. */
  readonly name: string;
  /** Such as `full`. */
  readonly part: string;
  /** Over everything that tasks are made of, names and order included; hexadecimal. */
  readonly sha256: string;
}

/** For example `omniglot full sha256 3b1c…`; equal texts mean equal data. Empty: the tasks need no data. */
export const describeData = (data: readonly DataIdentity[]): string =>
  data.map(({ name, part, sha256 }) => `${name} ${part} sha256 ${sha256}`).join(', ');
