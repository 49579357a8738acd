#!/usr/bin/env bash
# Builds TensorFlow for Node, for the eager engine: the binding of @tensorflow/tfjs-node, compiled against the TensorFlow of PyPI, so that it runs
# on current Node and current CUDA (the npm packages stop at Node 20 and CUDA 11.2). Nothing outside DIRECTORY is changed.
#
#   deploy/tensorflow/build.sh [--cuda] DIRECTORY
#   METATRAIN_TFJS_NODE=DIRECTORY metatrain worker --check --engine eager
#
# Needs Linux on x86-64, node with npm, g++, and python3 with pip (only to download: no package is installed, and any Python 3 will do).
# Takes 1.2 GB while it builds and leaves 0.8 GB; with --cuda, the libraries of TensorFlow's and-cuda extra too: 10 GB and 5.3 GB.
set -euo pipefail

tensorflow=2.21.0
tfjs_node=4.22.0
node_headers=1.9.0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
  echo "build.sh: $1" >&2
  exit 1
}

wheel=tensorflow-cpu
if [[ "${1:-}" == --cuda ]]; then
  wheel=tensorflow
  shift
fi
[[ $# -eq 1 && -n "$1" && "$1" != -* ]] || fail "usage: deploy/tensorflow/build.sh [--cuda] DIRECTORY"
target=$1
[[ ! -e "$target" ]] || fail "$target is there already: remove it, or name another directory"
[[ "$(uname -sm)" == "Linux x86_64" ]] || fail "got $(uname -sm); accepted: Linux x86_64"
for need in node:nodejs npm:npm g++:g++ "python3:python3 python3-pip" tar:tar; do
  command -v "${need%%:*}" >/dev/null || fail "${need%%:*} is missing; install it: apt-get install ${need#*:}"
done
python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip; install it: apt-get install python3-pip"

# Beside the target, so that the last step is a rename and a build cut short is never taken for whole.
mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$(dirname "$target")/.tensorflow-build-XXXXXX")
trap 'rm -rf "$work"' EXIT

say() { echo "build.sh: $1" >&2; }

# Wheels for one Python, whichever runs here: of a wheel only C++ headers and libraries are used.
download() {
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$1" \
    --implementation cp --python-version 3.12 --abi cp312 \
    --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 "${@:2}"
}

# unpack WHEEL-DIRECTORY TO PREFIX...: the files of every wheel there whose names begin with a prefix.
unpack() {
  python3 - "$@" <<'PYTHON'
import pathlib, sys, zipfile
source, to, *prefixes = sys.argv[1:]
for wheel in sorted(pathlib.Path(source).glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(to, [name for name in archive.namelist() if name.startswith(tuple(prefixes))])
PYTHON
}

say "downloading $wheel $tensorflow"
download "$work/wheels" "$wheel==$tensorflow"
unpack "$work/wheels" "$work" tensorflow/include/ tensorflow/libtensorflow
rm -r "$work/wheels"

say "downloading @tensorflow/tfjs-node $tfjs_node"
(cd "$work" && npm pack --silent "@tensorflow/tfjs-node@$tfjs_node" "node-api-headers@$node_headers" >packed)
mkdir "$work/tfjs-node" "$work/headers"
tar -xzf "$work/tensorflow-tfjs-node-$tfjs_node.tgz" -C "$work/tfjs-node" --strip-components=1
tar -xzf "$work/node-api-headers-$node_headers.tgz" -C "$work/headers" --strip-components=1

built=$work/built
mkdir -p "$built/lib/napi-v8" "$built/deps/lib"
mv "$work"/tensorflow/libtensorflow_cc.so.2 "$work"/tensorflow/libtensorflow_framework.so.2 "$built/deps/lib/"

say "compiling the binding"
g++ -std=c++17 -O2 -shared -fPIC -DNAPI_VERSION=8 \
  -I"$work/tfjs-node" -I"$work/tensorflow/include" -I"$work/headers/include" \
  "$work/tfjs-node/binding/tfjs_backend.cc" "$work/tfjs-node/binding/tfjs_binding.cc" \
  -L"$built/deps/lib" -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 -Wl,-rpath,'$ORIGIN/../../deps/lib' \
  -o "$built/lib/napi-v8/tfjs_binding.node"

if [[ $wheel == tensorflow ]]; then
  # TensorFlow's libraries look for them in ../nvidia/*/lib, seen from themselves.
  say "downloading the CUDA libraries"
  download "$work/cuda" --requirement "$here/cuda.txt"
  unpack "$work/cuda" "$built/deps" nvidia/
  find "$built/deps/nvidia" -type d -name include -prune -exec rm -r {} +
fi

cp -r "$work/tfjs-node/dist" "$work/tfjs-node/package.json" "$built/"
# TensorBoard's messages, the one thing here that would need another package; the engine writes none.
echo 'module.exports = {};' >"$built/dist/proto/api_pb.js"
# The worker hands over its own copy of TensorFlow.js: with a second one there would be two sets of gradients.
for name in tfjs tfjs-core; do
  mkdir -p "$built/node_modules/@tensorflow/$name"
  echo "module.exports = globalThis[Symbol.for('metatrain.tfjs')];" >"$built/node_modules/@tensorflow/$name/index.js"
done

mv "$built" "$target"
say "$target holds TensorFlow $tensorflow; use it with METATRAIN_TFJS_NODE=$target"
