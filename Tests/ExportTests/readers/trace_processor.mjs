// SPDX-License-Identifier: Apache-2.0
// Runs the trace processor of a Perfetto user interface outside a browser: its engine is a worker that
// speaks over a port. Requests are the bytes of standard input, replies go to a file.
//
// usage: node trace_processor.mjs FOLDER-OF-THE-INTERFACE REPLIES

import fs from "node:fs";
import path from "node:path";

const [folder, replies] = process.argv.slice(2);
const output = fs.openSync(replies, "w");

// As much of a worker's world as the engine asks for.
class WorkerGlobalScope {}
class XMLHttpRequest {
  open(method, name) {
    this.file = path.join(folder, path.basename(name));
  }
  send() {
    const bytes = fs.readFileSync(this.file);
    this.response = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  }
}
const say = (...words) => process.stderr.write(words.join(" ") + "\n");
const console = { log: say, warn: say, error: say };
const self = { location: { href: "file:///engine_bundle.js" } };

const port = {
  postMessage(bytes) {
    for (let written = 0; written < bytes.length; ) written += fs.writeSync(output, bytes, written);
  },
};

const engine = fs.readFileSync(path.join(folder, "engine_bundle.js"), "utf8");
const world = { self, WorkerGlobalScope, XMLHttpRequest, console, process: undefined };
new Function(...Object.keys(world), engine)(...Object.values(world));
self.onmessage({ data: port });
// The engine has finished its own setting up by the next turn.
setImmediate(() => port.onmessage({ data: new Uint8Array(fs.readFileSync(0)) }));
