// The part of ONNX's protobuf schema that we write, field numbers as in onnx.proto of ONNX 1.17
// (https://github.com/onnx/onnx/blob/v1.17.0/onnx/onnx.proto, Apache-2.0). Unused messages and
// fields are left out.
import protobuf from 'protobufjs';

const onnxProto = `
syntax = "proto3";
package onnx;
message AttributeProto {
  string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated float floats = 7; repeated int64 ints = 8; int32 type = 20;
}
message NodeProto {
  repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4; repeated AttributeProto attribute = 5;
  string domain = 7;
}
message TensorProto { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
message TensorShapeProto { message Dimension { int64 dim_value = 1; } repeated Dimension dim = 1; }
message TypeProto { message Tensor { int32 elem_type = 1; TensorShapeProto shape = 2; } Tensor tensor_type = 1; }
message ValueInfoProto { string name = 1; TypeProto type = 2; }
message GraphProto {
  repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5; repeated ValueInfoProto input = 11;
  repeated ValueInfoProto output = 12;
}
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
message ModelProto {
  int64 ir_version = 1; string producer_name = 2; GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8;
}
`;

const modelType = protobuf.parse(onnxProto, { keepCase: true }).root.lookupType('onnx.ModelProto');

/** TensorProto.DataType */
export const dataTypes = { float32: 1, int32: 6, int64: 7, bool: 9 } as const;

export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data_type: number;
  /** Little-endian, as the format wants it and as every platform of ours has it. */
  readonly raw_data: Uint8Array;
}

export interface OnnxNode {
  readonly op_type: string;
  readonly domain: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** `int` and `ints` for integers, `float` for floats, `text` for strings. */
export type OnnxAttribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly text: string };

export interface OnnxValue {
  readonly name: string;
  readonly dtype: keyof typeof dataTypes;
  readonly shape: readonly number[];
}

export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

const opsetVersion = 18;

export function encodeModel(model: OnnxModel): Uint8Array {
  const message = {
    ir_version: 8,
    producer_name: 'metatrain',
    opset_import: [
      { domain: '', version: opsetVersion },
      { domain: 'com.microsoft', version: 1 },
      { domain: 'com.microsoft.nchwc', version: 1 },
    ],
    graph: {
      name: 'task',
      node: model.nodes.map(({ op_type, domain, input, output, attributes }) => ({
        op_type,
        domain,
        input,
        output,
        attribute: Object.entries(attributes).map(([name, attribute]) => encodeAttribute(name, attribute)),
      })),
      initializer: model.initializers,
      input: model.inputs.map(encodeValue),
      output: model.outputs.map(encodeValue),
    },
  };
  return modelType.encode(message).finish();
}

function encodeAttribute(name: string, attribute: OnnxAttribute) {
  if ('int' in attribute) return { name, type: 2, i: attribute.int };
  if ('ints' in attribute) return { name, type: 7, ints: attribute.ints };
  if ('float' in attribute) return { name, type: 1, f: attribute.float };
  return { name, type: 3, s: new TextEncoder().encode(attribute.text) };
}

function encodeValue({ name, dtype, shape }: OnnxValue) {
  return {
    name,
    type: {
      tensor_type: { elem_type: dataTypes[dtype], shape: { dim: shape.map((length) => ({ dim_value: length })) } },
    },
  };
}
