"""What commands print: tables, kernels by time, progress."""
