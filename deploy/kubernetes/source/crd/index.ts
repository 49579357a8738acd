// The CustomResourceDefinition of MetaTrainJob, for base and chart. It is made where `metatrain
// parts --crd` can make it too, with the parts of plugins.
export { customResourceDefinition } from '../../../../learning/crd/definition.ts';
