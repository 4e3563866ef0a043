"""What runs in the worker processes: built-in engines that are heavy, crash, hold the GIL, or are under the GPL.

A worker is ``python -P -m voicemode.engines.workers.X``; ``voicemode.engines.worker`` starts it and talks to it. Modules here
import the standard library and their one engine, nothing else, so that a worker answers within 80 ms of its start.
"""
