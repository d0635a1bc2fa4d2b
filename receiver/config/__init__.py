"""The configuration file: its types, loading it with all errors at once, and what follows from it.

document (YAML, line numbers) → validation (JSON Schema) → credentials → types → checks → advice → loading
                                                                          └─ resolve → core policy, destinations
"""
