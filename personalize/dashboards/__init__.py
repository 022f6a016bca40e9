"""Which dashboards does the product bring?  Grafana dashboards as code, and the checker that runs their queries."""
