TITLE kctin: calcium-activated potassium current, three-state scheme

COMMENT
Potassium current of interneurons with a closed (cst), an open (ost) and an inactivated (ist) state,
which sum to 1. Calcium and voltage open it; inactivation and recovery are one-way.

Source: Shao, Halvorsrud, Borg-Graham & Storm, J. Physiol. 521:135 (1999); M. Lazarewicz (2001).
Units: mV, ms, S/cm2, mA/cm2, mM.

Kept on purpose: the initial states are those of one backward-Euler step of 1e9 ms from zero, which
is how STEADYSTATE sparse works, and deviate slightly from the exact steady state; no temperature
dependence.
ENDCOMMENT

NEURON {
    THREADSAFE
    SUFFIX kctin
    USEION k READ ek WRITE ik
    USEION ca READ cai
    RANGE gkcbar, ik, k1, k2, k3, k4
}

UNITS {
    (mA) = (milliamp)
    (mV) = (millivolt)
    (S) = (siemens)
    (mM) = (milli/liter)
}

PARAMETER {
    gkcbar = 0 (S/cm2)  : maximal conductance
}

ASSIGNED {
    v (mV)
    ek (mV)
    cai (mM)
    ik (mA/cm2)
    k1 (1/ms)  : open to inactivated
    k2 (1/ms)  : inactivated to closed
    k3 (1/ms)  : closed to open
    k4 (1/ms)  : open to closed
}

STATE { cst ost ist }

INITIAL {
    SOLVE scheme STEADYSTATE sparse
}

BREAKPOINT {
    SOLVE scheme METHOD sparse
    ik = gkcbar*ost*(v - ek)
}

KINETIC scheme {
    rates(v, cai)
    ~ cst <-> ost (k3, k4)
    ~ ost <-> ist (k1, 0)
    ~ ist <-> cst (k2, 0)
    CONSERVE cst + ost + ist = 1
}

UNITSOFF
PROCEDURE rates(v (mV), ci (mM)) {
    k1 = 1/(0.01 + exp(-(v + 10)))
    k2 = 1/(0.1 + exp((v + 120)/10))
    k3 = 1e8*ci*ci*ci/(0.001 + 1/(1/0.999 + exp((v + 20)/7)))
    k4 = 1/(0.2 + exp((v + 44)/5))
}
UNITSON
