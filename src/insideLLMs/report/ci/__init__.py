"""Reports that other programs read: JUnit, SARIF for code scanning, comments and annotations of a pull request."""
