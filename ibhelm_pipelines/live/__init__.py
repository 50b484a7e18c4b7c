"""The live lane: the watcher, the webhook receiver, and the workers that do what waits in the inbox."""
