"""The made-up office: a believable NAS of a building-services office, the truth about it, and the demo on top."""
