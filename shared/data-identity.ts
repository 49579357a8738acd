// Which data a process has read. The job file may leave that to the worker (`dataSet: auto`, files in a
// local folder), yet it changes the numbers: so a job keeps to the data of its first result, and other
// data is refused by name. Pure, and needs no Node.

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
