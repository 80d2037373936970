"""How runs look from outside: metrics and traces by OpenTelemetry, a page for Prometheus. Names, counts and times; never a word of a
prompt or an answer.

    facts.py            what is told of a run, of each try, and of a call that was refused
    metrics.py          the one table of metrics, and what each run adds to them
    labels.py           how many different labels there may be
    process.py          the queue between the road and what follows, and what this process has open
    opentelemetry_exporter.py, sending.py, scrubbing.py, instrumentation.py    the door to OpenTelemetry
    prometheus_page.py, process_files.py                                       the door to prometheus_client

Nothing of OpenTelemetry or Prometheus is imported where it is not switched on.
"""
