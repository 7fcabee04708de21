#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles a BPF source file for each architecture and writes the objects, compressed to a fifth, as Swift string
# literals of hexadecimal digits, which the compiler reads in a tenth of a second where an array literal takes minutes.
# The Swift compiler chooses the one for its target, so that a cross build takes the right one.
# Usage: embed.sh CLANG SOURCE ROOT WORKDIR OUTPUT.swift
set -eu
clang=$1 source=$2 root=$3 work=$4 output=$5
# literal ARCHITECTURE: as bpf/kernel_types.h names it.
literal() {
    object=$work/futexscope.$1.bpf.o
    "$clang" -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
        "-D__TARGET_ARCH_$1" "-ffile-prefix-map=$root=." -c "$source" -o "$object"
    "$(dirname "$clang")/llvm-objcopy" --strip-debug "$object"
    echo "let embeddedObjectSize = $(wc -c <"$object")"
    printf 'let embeddedObject: StaticString = "'
    gzip -9 -n -c "$object" | od -An -v -tx1 | tr -d ' \n'
    echo '"'
}
{
    echo '// Generated from bpf/. Do not edit.'
    echo '#if arch(x86_64)'
    literal x86
    echo '#elseif arch(arm64)'
    literal arm64
    echo '#else'
    echo '#error("no register names for this architecture in bpf/kernel_types.h")'
    echo '#endif'
} > "$output"
