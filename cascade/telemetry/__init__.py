"""How runs look from outside: metrics and traces by OpenTelemetry, a page for Prometheus. Names, counts and times; never a word of a
prompt or an answer.

    facts.py            what is told of a run, of each try, and of a call that was refused
    metrics.py          the one table of metrics, and what each run adds to them
    labels.py           how many different labels there may be
    process.py          the queue between the road and what follows, and what this process has open
    opentelemetry_exporter.py    the door to OpenTelemetry, with run_spans.py, span_messages.py, tallies.py, metric_data.py and
                        sending.py; for spans that others make: instrumentation.py, scrubbing.py
    prometheus_page.py  the door to prometheus_client, with process_files.py; upkeep.py listens for it

Nothing of OpenTelemetry or Prometheus is imported where it is not switched on.
"""
