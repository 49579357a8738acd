// The sections of a job file that name a part: the part's name, and fields that the part decides.

export type TaskSection = { readonly distribution: string } & Fields;
export type ModelSection = { readonly architecture: string } & Fields;
export type AlgorithmSection = { readonly name: string } & Fields;
export type ObjectiveSection = { readonly name: string } & Fields;

type Fields = { readonly [field: string]: unknown };
