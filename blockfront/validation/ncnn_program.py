"""Runs one of ncnn's networks as its own benchmark does. Inside the emulator: standard library and ncnn only.

    python ncnn_program.py PARAM WIDTH,HEIGHT,CHANNELS THREADS WARM_UPS HALF

Weights are zeros and the image is 0.01 throughout, as in benchncnn; marks tell the profiler where an inference begins.
HALF is 1 where ncnn may use fp16 as far as the processor has it, benchncnn's way, and 0 where it must not.
"""

import os
import sys

import ncnn

_MARK = 0x6D61726B
_FLUSH, _DONE = 1, 4
_OPTIONS = ("winograd_convolution", "sgemm_convolution", "packing_layout")
_HALF = ("fp16_packed", "fp16_storage", "fp16_arithmetic")


def mark(operation: int) -> None:
    """Tell the profiler: a system call that fails, with the operation in its second argument."""
    try:
        os.getpriority(_MARK, operation << 24)
    except OSError:
        return


def main() -> None:
    """Load the network, warm up, and run one inference between marks."""
    param, shape, threads, warm_ups, half = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    blobs, workspace = ncnn.UnlockedPoolAllocator(), ncnn.PoolAllocator()
    blobs.set_size_compare_ratio(0.0)
    workspace.set_size_compare_ratio(0.0)
    ncnn.set_omp_dynamic(0)
    ncnn.set_omp_num_threads(threads)
    net = ncnn.Net()
    net.opt.lightmode = True
    net.opt.num_threads = threads
    net.opt.blob_allocator = blobs
    net.opt.workspace_allocator = workspace
    net.opt.use_vulkan_compute = False
    for option in (*_OPTIONS, *_HALF):
        setattr(net.opt, f"use_{option}", bool(half) or option in _OPTIONS)
    if net.load_param(param) or net.load_model(ncnn.DataReaderFromEmpty()):
        sys.exit(f"ncnn does not load {param}")
    image = ncnn.Mat(tuple(int(extent) for extent in shape.split(",")))
    image.fill(0.01)
    for _ in range(warm_ups):
        infer(net, image)
    mark(_DONE)
    if not warm_ups:
        mark(_FLUSH)
    infer(net, image)
    mark(_DONE)
    # ncnn's allocators complain of what Python frees after them.
    sys.stdout.flush()
    os._exit(0)


def infer(net: ncnn.Net, image: ncnn.Mat) -> None:
    """One inference, every output of it."""
    with net.create_extractor() as extractor:
        for name in net.input_names():
            extractor.input(name, image)
        for name in net.output_names():
            status, _ = extractor.extract(name)
            if status:
                sys.exit(f"ncnn fails on {name}: {status}")


if __name__ == "__main__":
    main()
