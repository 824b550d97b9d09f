"""Other tools' logs and tables -> Records: one module per format, each a row of `plugins.IMPORTERS`."""
