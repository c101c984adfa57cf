"""A `.tflite` file: tensors and operators, in the object classes of its schema that LiteRT brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_SCHEMA_VERSION = 3
_IDENTIFIER = b"TFL3"
_VERSIONS = {
    **{"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 4, "CONCATENATION": 2, "TRANSPOSE": 2, "PADV2": 2},
    **{"ADD": 2, "MUL": 2, "MEAN": 2, "MAX_POOL_2D": 2, "PAD": 2, "SLICE": 2, "SPLIT_V": 2, "LOGISTIC": 2, "TANH": 2},
    **{"BATCH_MATMUL": 2, "GELU": 2},
    **{"QUANTIZE": 2, "RELU": 2, "RELU6": 2, "RELU_N1_TO_1": 2, "LEAKY_RELU": 2, "DEQUANTIZE": 2, "SOFTMAX": 2},
    "BROADCAST_TO": 2,
}
"""Of operators that take int8, where that is not the first version."""
_TYPES = {"int8": "INT8", "int32": "INT32", "bool": "BOOL", "float32": "FLOAT32"}


@dataclass(frozen=True)
class Grid:
    """How the int8 or int32 numbers of a tensor are reals: scales, one or one for each slice along `axis`."""

    scales: tuple[float, ...]
    zero_point: int = 0
    axis: int = 0


class TfliteFile:
    """Tensors and operators in the order in which they are added; both are named by their places."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema = schema
        self._codes: dict[str, int] = {}
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        # The first buffer is that of tensors without data.
        self._buffers = [schema.BufferT()]

    def tensor(
        self, name: str, shape: Sequence[int], kind: str, grid: Grid | None = None, data: np.ndarray | None = None
    ) -> int:
        """A tensor of numbers of `kind`, constant where it has data."""
        made = self._schema.TensorT()
        made.name, made.shape = name, np.array(shape, np.int32)
        made.type = getattr(self._schema.TensorType, _TYPES[kind])
        if grid is not None:
            made.quantization = self._schema.QuantizationParametersT()
            made.quantization.scale = np.array(grid.scales, np.float32)
            made.quantization.zeroPoint = np.full(len(grid.scales), grid.zero_point, np.int64)
            made.quantization.quantizedDimension = grid.axis
        if data is not None:
            made.buffer = len(self._buffers)
            buffer = self._schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self._buffers.append(buffer)
        self._graph.tensors.append(made)
        return len(self._graph.tensors) - 1

    def __len__(self) -> int:
        return len(self._graph.tensors)

    def whole_numbers(self, values: Any) -> int:
        """A constant of int32, such as a shape."""
        data = np.array(values, np.int32)
        return self.tensor(f"numbers_{len(self._graph.tensors)}", data.shape, "int32", data=data)

    def operator(
        self, code: str, inputs: Sequence[int], outputs: Sequence[int], options: str = "", **fields: Any
    ) -> None:
        """An operator by its name in the schema, with options of a class of it."""
        made = self._schema.OperatorT()
        made.opcodeIndex = self._codes.setdefault(code, len(self._codes))
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options:
            made.builtinOptionsType = getattr(self._schema.BuiltinOptions, options)
            made.builtinOptions = getattr(self._schema, f"{options}T")()
            for name, value in fields.items():
                setattr(made.builtinOptions, name, value)
        self._graph.operators.append(made)

    def choice(self, kind: str, name: str) -> int:
        """The number of a name in one of the schema's lists, such as `Padding`."""
        return int(getattr(getattr(self._schema, kind), name))

    def packed(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file, whose network takes and gives these tensors."""
        import flatbuffers

        self._graph.inputs, self._graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        model = self._schema.ModelT()
        model.version, model.subgraphs, model.buffers = _SCHEMA_VERSION, [self._graph], self._buffers
        model.operatorCodes = [self._operator_code(name) for name in self._codes]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), _IDENTIFIER)
        return bytes(builder.Output())

    def _operator_code(self, name: str) -> Any:
        made = self._schema.OperatorCodeT()
        made.builtinCode = getattr(self._schema.BuiltinOperator, name)
        made.deprecatedBuiltinCode = min(made.builtinCode, 127)
        made.version = _VERSIONS.get(name, 1)
        return made
