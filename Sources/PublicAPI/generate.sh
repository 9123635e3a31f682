#!/usr/bin/env bash
# Makes Sources/PublicAPI/Generated from Sources/PublicAPI/Protocol. Run it after a change of a .proto file, and commit what it
# makes: the plugins take minutes to build, so no ordinary build runs them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# The plugins' versions; their output must fit the libraries that Package.swift names.
swift_protobuf=1.39.0
grpc_swift_protobuf=2.4.1

command -v protoc >/dev/null || {
    echo "there is no protoc: apt-get install protobuf-compiler" >&2
    exit 1
}
plugins=${MX_PROTOC_PLUGINS:-}
if [ -z "$plugins" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    mkdir -p "$scratch/Sources/Nothing"
    touch "$scratch/Sources/Nothing/Nothing.swift"
    cat >"$scratch/Package.swift" <<SWIFT
// swift-tools-version: 6.2
import PackageDescription
let package = Package(
    name: "plugins",
    dependencies: [
        .package(url: "https://github.com/apple/swift-protobuf", exact: "$swift_protobuf"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf", exact: "$grpc_swift_protobuf"),
    ],
    targets: [
        .target(name: "Nothing", dependencies: [.product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")])
    ])
SWIFT
    swift build --package-path "$scratch" --product protoc-gen-swift
    swift build --package-path "$scratch" --product protoc-gen-grpc-swift-2
    plugins=$scratch/.build/debug
fi

rm -rf Generated
mkdir Generated
protoc --proto_path=Protocol \
    --plugin=protoc-gen-swift="$plugins/protoc-gen-swift" \
    --swift_out=Generated --swift_opt=Visibility=Package,UseAccessLevelOnImports=true \
    --plugin=protoc-gen-grpc-swift-2="$plugins/protoc-gen-grpc-swift-2" \
    --grpc-swift-2_out=Generated --grpc-swift-2_opt=Visibility=Package,UseAccessLevelOnImports=true,Client=false \
    p2p.proto health.proto

# Without the trait the room is empty; and what a tool wrote is not formatted by another.
for file in Generated/*.swift; do
    { echo '// swift-format-ignore-file'; echo '#if GRPC'; cat "$file"; echo '#endif'; } >"$file.new"
    mv "$file.new" "$file"
done
