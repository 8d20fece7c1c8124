// Package loan is a small cash-flow model: can a household repay a loan if prices rise faster than
// expected?
package loan

import (
	"fmt"
	"math"
)

// Application is a request for a loan.
type Application struct {
	ID         string    `json:"id"`
	Applicant  Applicant `json:"applicant"`
	Household  Household `json:"household"`
	Debts      []Debt    `json:"debts,omitempty"`
	Loan       Loan      `json:"loan"`
	Statements []float64 `json:"statements"` // savings at the end of each of the last months
}

// Applicant is the person who applies.
type Applicant struct {
	Name       string `json:"name"`
	Born       int    `json:"born"`
	Region     string `json:"region"`
	Employment string `json:"employment"` // a key of indexation
}

// Household is the budget per month, except for Savings.
type Household struct {
	Income  float64 `json:"income"` // after tax
	Rent    float64 `json:"rent"`   // does not follow prices
	Living  float64 `json:"living"` // follows prices
	Savings float64 `json:"savings"`
}

// Debt is an existing debt that is being repaid.
type Debt struct {
	Kind    string  `json:"kind"`
	Monthly float64 `json:"monthly"`
	Months  int     `json:"months"` // remaining
}

// Loan is the requested loan. It is repaid in equal instalments.
type Loan struct {
	Purpose  string  `json:"purpose"`
	Amount   float64 `json:"amount"`
	Months   int     `json:"months"`
	Rate     float64 `json:"rate"`     // percent per year
	Variable bool    `json:"variable"` // the rate follows inflation
}

// Verdict is the outcome of a loan that is repaid.
type Verdict struct {
	ID      string  `json:"id"`
	Savings float64 `json:"savings"` // at the end
	Lowest  float64 `json:"lowest"`  // savings in the worst month
	Burden  float64 `json:"burden"`  // the highest share of the income that was spent on debts
}

// DefaultError is the outcome of a loan that is not repaid. It is an error, so that dmap counts it
// as a failure.
type DefaultError struct {
	ID     string
	Reason string // Insolvent or Overindebted
	Month  int    // from 1
	Detail string
}

// Reasons of a DefaultError.
const (
	Insolvent    = "insolvent"    // no savings remain
	Overindebted = "overindebted" // debts exceed maxBurden of the income
)

func (d *DefaultError) Error() string {
	return fmt.Sprintf("loan %s: %s in month %d: %s", d.ID, d.Reason, d.Month, d.Detail)
}

// Class classifies the failure in dmap's results.
func (d *DefaultError) Class() string { return d.Reason }

const (
	expectedInflation = 2.0 // percent per year
	passThrough       = 0.8 // share of additional inflation that is added to variable rates
	maxBurden         = 0.4 // share of the income
)

// indexation is the share of additional inflation that is added to an income. Expected inflation
// is added in full.
var indexation = map[string]float64{"public": 0.5, "pension": 0.4, "private": 0.2, "self-employed": 0.05}

// Simulate computes the loan month by month. additional is the inflation, in percent, above the
// expected two percent. The error is a *DefaultError if the loan is not repaid, and another error
// for an invalid application.
func Simulate(app Application, additional float64) (Verdict, error) {
	share, known := indexation[app.Applicant.Employment]
	if !known || app.Loan.Months <= 0 || !(app.Household.Income > 0) {
		return Verdict{}, fmt.Errorf("loan %s: invalid application: employment %q, %d months, income %v",
			app.ID, app.Applicant.Employment, app.Loan.Months, app.Household.Income)
	}
	prices := monthly(expectedInflation + additional)
	wages := monthly(expectedInflation + additional*share)
	instalment := app.Loan.instalment(additional)
	income, living, savings := app.Household.Income, app.Household.Living, app.Household.Savings
	v := Verdict{ID: app.ID, Lowest: savings}
	for month := 1; month <= app.Loan.Months; month++ {
		debts := instalment
		for _, d := range app.Debts {
			if month <= d.Months {
				debts += d.Monthly
			}
		}
		v.Burden = max(v.Burden, debts/income)
		if v.Burden > maxBurden {
			return Verdict{}, app.fails(Overindebted, month, "%.0f %% of the income is spent on debts", 100*v.Burden)
		}
		savings += income - debts - app.Household.Rent - living
		v.Lowest = min(v.Lowest, savings)
		if savings < 0 {
			return Verdict{}, app.fails(Insolvent, month, "%.2f short", -savings)
		}
		income *= wages
		living *= prices
	}
	v.Savings, v.Lowest, v.Burden = cents(savings), cents(v.Lowest), math.Round(1000*v.Burden)/1000
	return v, nil
}

func (a Application) fails(reason string, month int, format string, args ...any) error {
	return &DefaultError{ID: a.ID, Reason: reason, Month: month, Detail: fmt.Sprintf(format, args...)}
}

// instalment returns the annuity: amount * i / (1 - (1+i)^-months), where i is the monthly rate.
func (l Loan) instalment(additional float64) float64 {
	rate := l.Rate
	if l.Variable {
		rate += passThrough * additional
	}
	i := rate / 100 / 12
	if i <= 0 {
		return l.Amount / float64(l.Months)
	}
	return l.Amount * i / (1 - math.Pow(1+i, -float64(l.Months)))
}

// monthly converts a rate in percent per year to a factor per month.
func monthly(percent float64) float64 { return math.Pow(1+percent/100, 1.0/12) }

func cents(amount float64) float64 { return math.Round(100*amount) / 100 }
