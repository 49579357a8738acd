// The reflection service, with what proto-loader leaves out of its descriptors filled in. It merges the files of a package into one, drops their
// imports and leaves type names as they were written (https://github.com/grpc/grpc-node/issues/2595); clients that check refuse such a file.
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import descriptor, { type IDescriptorProto, type IFileDescriptorProto } from 'protobufjs/ext/descriptor.js';

/** @param definition loaded with `keepCase`, since clients use the fields' own names. */
export function reflectionService(definition: PackageDefinition): ReflectionService {
  const entries = Object.entries(definition).map(([name, entry]) => {
    const { fileDescriptorProtos } = entry as { readonly fileDescriptorProtos?: readonly Buffer[] };
    return [name, fileDescriptorProtos ? { ...entry, fileDescriptorProtos: repaired(fileDescriptorProtos) } : entry];
  });
  return new ReflectionService(Object.fromEntries(entries) as PackageDefinition);
}

/** The same files with every type name absolute and every file that declares one imported. */
export function repaired(encoded: readonly Uint8Array[]): Buffer[] {
  const files = encoded.map((bytes) => descriptor.FileDescriptorProto.decode(bytes) as IFileDescriptorProto);
  const fileOf = new Map(files.flatMap((file) => typesOf(file).map((type) => [type, file.name ?? ''] as const)));
  return files.map((file) => {
    const imported = new Set<string>();
    const absolute = (reference: string, scope: string): string => {
      const name = resolve(reference, scope, fileOf);
      const declaredIn = fileOf.get(name);
      if (declaredIn === undefined) throw new Error(`${file.name} uses ${reference}, which no file declares`);
      if (declaredIn !== file.name) imported.add(declaredIn);
      return name;
    };
    const scope = scopeOf(file);
    for (const message of file.messageType ?? []) qualifyFields(message, `${scope}.${message.name}`, absolute);
    for (const { method } of file.service ?? []) {
      for (const call of method ?? []) {
        call.inputType = absolute(call.inputType ?? '', scope);
        call.outputType = absolute(call.outputType ?? '', scope);
      }
    }
    const complete = { ...file, dependency: [...imported].sort() };
    return Buffer.from(descriptor.FileDescriptorProto.encode(complete).finish());
  });
}

const scopeOf = (file: IFileDescriptorProto): string => (file.package ? `.${file.package}` : '');

function qualifyFields(
  message: IDescriptorProto,
  scope: string,
  absolute: (reference: string, scope: string) => string,
): void {
  for (const field of message.field ?? []) if (field.typeName) field.typeName = absolute(field.typeName, scope);
  for (const nested of message.nestedType ?? []) qualifyFields(nested, `${scope}.${nested.name}`, absolute);
}

/** Absolute names of the messages and enums that a file declares. */
function typesOf(file: IFileDescriptorProto): string[] {
  const within = (scope: string, { name, enumType, nestedType }: IDescriptorProto): string[] => {
    const own = `${scope}.${name}`;
    const enums = (enumType ?? []).map((type) => `${own}.${type.name}`);
    return [own, ...enums, ...(nestedType ?? []).flatMap((nested) => within(own, nested))];
  };
  const scope = scopeOf(file);
  const enums = (file.enumType ?? []).map((type) => `${scope}.${type.name}`);
  return [...enums, ...(file.messageType ?? []).flatMap((message) => within(scope, message))];
}

/** As protoc does: the innermost enclosing scope that declares the name. */
function resolve(reference: string, scope: string, known: ReadonlyMap<string, unknown>): string {
  if (reference.startsWith('.')) return reference;
  for (let within = scope; ; within = within.slice(0, within.lastIndexOf('.'))) {
    const name = `${within}.${reference}`;
    if (known.has(name) || within === '') return name;
  }
}
