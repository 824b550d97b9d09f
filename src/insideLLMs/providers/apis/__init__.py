"""The APIs of providers: one module for each form of request and answer."""
