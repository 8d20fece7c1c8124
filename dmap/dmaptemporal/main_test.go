package dmaptemporal

import (
	"testing"

	"go.uber.org/goleak"
)

// The mocked activities of the SDK that are in flight when a workflow ends never return.
func TestMain(m *testing.M) {
	const environment = "go.temporal.io/sdk/internal.(*testWorkflowEnvironmentImpl)."
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction(environment+"runBeforeMockCallReturns"),
		goleak.IgnoreAnyFunction(environment+"ExecuteActivity.func2"))
}
