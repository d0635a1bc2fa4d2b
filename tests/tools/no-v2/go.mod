// Stands in for Grafana's own module of this name; see ../go.mod.
module github.com/grafana/grafana/apps/dashboard

go 1.26.0
