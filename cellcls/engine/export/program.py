"""A network as a graph of torch's own operations, and that graph as plain Python code."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec

from cellcls.errors import UsageError

_CHECKS = {"_assert_tensor_metadata", "_assert_scalar", "_assert_async"}
"""Operations that only assert; their arguments changed between versions of torch."""
_KNOWN_NAMES = {"torch", "device", "inf", "nan", "NoneType", "fx_pytree", "pytree"}
"""What the code may use besides its arguments; torch names the last three whether they are used or not."""


def traced(module: nn.Module, example: Tensor) -> ExportedProgram:
    """Trace ``module`` with ``torch.export``, the first dimension of ``example`` left open.

    Raises ``UsageError`` where its Python code depends on the values it computes.
    """
    try:
        return torch.export.export(module, (example,), dynamic_shapes=({0: Dim("batch")},), strict=False)
    except Exception as error:  # tracing runs any plugin's code
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"torch.export cannot trace this network: {type(error).__name__}: {reason}",
            "codabench and onnx need a network whose course does not depend on the values it computes",
        ) from error


@attrs.frozen(kw_only=True)
class Printed:
    """A program as the lines of a function's body; its arguments are ``images`` and the names of ``weights``."""

    weights: dict[str, NDArray[Any]]
    body: tuple[str, ...]


def printed(program: ExportedProgram) -> Printed:
    """Return the code of a traced network with one input ``images``.

    It calls ``torch.ops.aten`` and, where the network makes a tensor itself, ``device(...)``. Raises ``UsageError``
    where it needs operations that torch alone does not have.
    """
    graph = program.graph
    for node in reversed(graph.nodes):
        if getattr(node.target, "_opname", None) in _CHECKS and not node.users:
            graph.erase_node(node)
    _refuse_foreign(program)
    code = graph.python_code("self")
    lines = code.src.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("def forward"))
    used = {node.name for node in graph.nodes if node.op == "placeholder" and node.users}
    inputs = [spec for spec in program.graph_signature.input_specs if spec.kind is not InputKind.USER_INPUT]
    return Printed(
        weights={spec.arg.name: _value(program, spec) for spec in inputs if spec.arg.name in used},
        body=tuple(line.strip() for line in lines[start + 1 :] if line.strip()),
    )


def _refuse_foreign(program: ExportedProgram) -> None:
    called = [node.target for node in program.graph.nodes if node.op == "call_function"]
    foreign = {str(operation) for operation in called if getattr(operation, "namespace", "aten") != "aten"}
    foreign |= set(program.graph.python_code("self").globals) - _KNOWN_NAMES
    foreign |= {name for name, _ in program.graph_module.named_children()}  # bodies of torch.cond and the like
    if foreign:
        raise UsageError(
            f"the network uses operations that plain code cannot call: {', '.join(sorted(foreign))}",
            "a submission may import nothing but torch, torchvision, timm and numpy",
        )


def _value(program: ExportedProgram, spec: InputSpec) -> NDArray[Any]:
    target = str(spec.target)
    value = program.state_dict[target] if target in program.state_dict else program.constants[target]
    array: NDArray[Any] = value.detach().contiguous().numpy()
    return np.array(array)
