"""Boards: the server that runs on one, the tracker that hands them out, and what a board tells of itself.

`server`, `tracker` and `state` need Python's standard library and TVM alone: a board installs no more.
"""
