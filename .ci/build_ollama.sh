#!/usr/bin/env bash
# A real Ollama server from its Go module, for machines that reach package registries and nothing else: build_ollama.sh FILE
# A Go module carries no folder named "vendor", and in Ollama's there are three C++ header libraries; the source package of
# llama-cpp-python, which requirements.txt pins, has them too. 0.24 is the last version that builds so: later ones fetch llama.cpp.
set -euo pipefail
version=0.24.0
target=$1

if [ "$(cat "$target.version" 2>/dev/null)" = "$version" ] && [ -x "$target" ]; then
    exit
fi
command -v go >/dev/null || { echo "Building Ollama needs Go 1.24 or newer: sudo apt install golang" >&2; exit 1; }
echo "Building Ollama $version: 5 minutes on two cores, then kept as $target"

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
awk '/^[A-Za-z]/ { wanted = /^llama-cpp-python==/ } wanted' "$root/requirements.txt" >"$work/source.txt"
"$work/venv/bin/pip" install --quiet --require-hashes -r "$root/requirements-build.txt"
"$work/venv/bin/pip" download --quiet --no-deps --no-build-isolation --require-hashes --dest "$work" -r "$work/source.txt"
tar -xf "$work"/llama_cpp_python-*.tar.gz -C "$work"
headers=$(echo "$work"/llama_cpp_python-*/vendor/llama.cpp/vendor)

GOFLAGS=-mod=mod GOBIN=$work/bin CGO_CFLAGS="-O2 -g0 -I$headers" CGO_CXXFLAGS="-O2 -g0 -I$headers" \
    go install -ldflags "-X=github.com/ollama/ollama/version.Version=$version" "github.com/ollama/ollama@v$version"

mkdir -p "$(dirname "$target")"
cp "$work/bin/ollama" "$target.new"
mv "$target.new" "$target"
echo "$version" >"$target.version"
