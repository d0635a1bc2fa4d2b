// Package v2 has the names that dashboard-linter's adapter for Grafana's v2 dashboards is compiled against, and
// nothing behind them: our dashboards are classic JSON, which never comes here. A v2 dashboard is refused.
package v2

import "errors"

type DashboardSpec struct {
	Title       string
	Editable    *bool
	Elements    map[string]DashboardElement
	Variables   []DashboardVariableKind
	Annotations []DashboardAnnotationQueryKind
}

// UnmarshalJSON fails, so that no v2 dashboard passes for one without problems.
func (*DashboardSpec) UnmarshalJSON([]byte) error {
	return errors.New("this dashboard-linter was built for classic dashboards alone")
}

type DashboardElement struct {
	PanelKind *struct{ Spec DashboardPanelSpec }
}

type DashboardPanelSpec struct {
	Id          float64
	Title       string
	Description string
	VizConfig   struct {
		Group string
		Spec  struct{ FieldConfig, Options any }
	}
	Data struct {
		Spec struct{ Queries []DashboardPanelQueryKind }
	}
}

type DashboardPanelQueryKind struct {
	Spec struct {
		RefId  string
		Hidden bool
		Query  DashboardDataQueryKind
	}
}

type DashboardDataQueryKind struct {
	Group      string
	Datasource *struct{ Name *string }
	Spec       map[string]any
}

type DashboardAnnotationQueryKind struct {
	Spec struct {
		Name  string
		Query DashboardDataQueryKind
	}
}

type DashboardVariableRefresh string

const (
	DashboardVariableRefreshOnDashboardLoad    DashboardVariableRefresh = "onDashboardLoad"
	DashboardVariableRefreshOnTimeRangeChanged DashboardVariableRefresh = "onTimeRangeChanged"
)

type DashboardVariableKind struct {
	QueryVariableKind      *struct{ Spec queryVariable }
	DatasourceVariableKind *struct{ Spec variable }
	CustomVariableKind     *struct{ Spec variable }
	IntervalVariableKind   *struct{ Spec variable }
	ConstantVariableKind   *struct{ Spec variable }
	TextVariableKind       *struct{ Spec variable }
	AdhocVariableKind      *struct{ Spec variable }
	GroupByVariableKind    *struct{ Spec variable }
	SwitchVariableKind     *struct{ Spec variable }
}

type queryVariable struct {
	Name     string
	Label    *string
	Multi    bool
	AllValue *string
	Refresh  DashboardVariableRefresh
	Query    DashboardDataQueryKind
}

type variable struct {
	Name     string
	Label    *string
	Multi    bool
	AllValue *string
	Refresh  DashboardVariableRefresh
	Query    string
	PluginId string
}
