#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles a BPF source file and writes the object as one Swift string literal of hexadecimal digits,
# which the compiler takes in a tenth of a second where an array literal takes minutes.
# Usage: embed.sh CLANG SOURCE ROOT WORKDIR OUTPUT.swift
set -eu
clang=$1 source=$2 root=$3 work=$4 output=$5
case $(uname -m) in
    x86_64) arch=x86 ;;
    aarch64) arch=arm64 ;;
    *) echo "futexscope: no register names for $(uname -m) in bpf/kernel_types.h" >&2; exit 1 ;;
esac
object=$work/futexscope.bpf.o
"$clang" -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
    -D__TARGET_ARCH_$arch "-ffile-prefix-map=$root=." -c "$source" -o "$object"
"$(dirname "$clang")/llvm-objcopy" --strip-debug "$object"
{
    echo '// Generated from bpf/. Do not edit.'
    printf 'let embeddedObjectHex: StaticString = "'
    od -An -v -tx1 "$object" | tr -d ' \n'
    echo '"'
} > "$output"
