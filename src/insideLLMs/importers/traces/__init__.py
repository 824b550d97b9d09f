"""Traces as OpenTelemetry, Tempo, Jaeger and Phoenix export them -> requests: one trial per trace."""
