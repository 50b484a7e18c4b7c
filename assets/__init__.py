"""The asset graph, one module per group. Each asset is thin: its configuration, one function of `ibhelm_pipelines`, its
report as metadata.
"""
