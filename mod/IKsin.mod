TITLE IKsin: slowly inactivating potassium current

COMMENT
Slow potassium current of interneurons: gates a (activation) and b (inactivation, seconds).

Source: none named in the published file.
Units: mV, ms, S/cm2, mA/cm2, mM.

Kept on purpose:
- the reversal comes from ki and ko with 25 mV at any temperature; as these are read, NEURON sets
  the ek of the section by Nernst when it initialises;
- near zero the arguments of the sigmoids are moved by 1e-5 mV, although nothing would diverge;
- atau is 10 ms at any voltage; no temperature dependence.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX IKsin
    USEION k READ ki, ko WRITE ik
    RANGE gKsbar, gk, ik, ainf, atau, binf, btau
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gKsbar = 0.00014 (S/cm2)  : maximal conductance
}

ASSIGNED {
    v (mV)
    ki (mM)
    ko (mM)
    ik (mA/cm2)
    gk (S/cm2)
    ainf (1)
    atau (ms)
    binf (1)
    btau (ms)
}

STATE { a b }

INITIAL {
    rates(v)
    a = ainf
    b = binf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    gk = gKsbar*a*b
    ik = gk*(v - 25(mV)*log(ko/ki))
}

DERIVATIVE states {
    rates(v)
    a' = (ainf - a)/atau
    b' = (binf - b)/btau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    ainf = 1/(1 + exp(-nudged(v + 34)/6.5))
    atau = 10
    binf = 1/(1 + exp(nudged(v + 65)/6.6))
    btau = 200 + 3200/(1 + exp(-nudged(v + 63.6)/4))
}

FUNCTION nudged(x) {
    if (fabs(x) < 1e-4) {
        nudged = x + 1e-5
    } else {
        nudged = x
    }
}
UNITSON
