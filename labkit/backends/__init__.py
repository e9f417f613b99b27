"""The engines: one adapter each, all behind `Model`."""
