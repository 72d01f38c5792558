"""Passive cables with conductance synapses, solved without NEURON and without wscale.

u is the potential relative to rest. In cylinders of diameter d (um) that follow one another, the
ends sealed, with a synapse at x0,

    cm du/dt = d / (4 Ra) d2u/dx2 - g_pas u + delta(x - x0) sum_k w g_k(t) (E_k - u) / (pi d)
    g_k(t) = share_k factor_k (exp(-t / tau2_k) - exp(-t / tau1_k)),  max g_k = share_k.

Units: um, ms, mV, uS, nA, nF; cm in uF/cm2, g_pas in S/cm2, Ra in ohm cm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.integrate import quad, solve_ivp


@dataclass(frozen=True)
class Synapse:
    """A double-exponential conductance; ``e_mV`` is relative to rest."""

    tau1_ms: float
    tau2_ms: float
    e_mV: float
    share: float = 1.0

    @cached_property
    def factor(self):
        """Inverse of the largest exp(-t/tau2) - exp(-t/tau1), where its derivative vanishes."""
        rate1, rate2 = 1 / self.tau1_ms, 1 / self.tau2_ms
        peak_ms = np.log(rate1 / rate2) / (rate1 - rate2)
        return self.share / (np.exp(-peak_ms * rate2) - np.exp(-peak_ms * rate1))

    def conductance(self, t_ms):
        """g(t) of unit weight."""
        return self.factor * (np.exp(-t_ms / self.tau2_ms) - np.exp(-t_ms / self.tau1_ms))

    def integral(self, t_ms):
        """Integral of g from 0 to t, ms."""
        return self.factor * (
            self.tau2_ms * -np.expm1(-t_ms / self.tau2_ms)
            - self.tau1_ms * -np.expm1(-t_ms / self.tau1_ms)
        )


@dataclass(frozen=True)
class Cable:
    """Cylinders in a row, (length, diameter) in um; the first is the soma."""

    cylinders_um: tuple[tuple[float, float], ...]
    cm: float = 1.0
    Ra: float = 150.0
    g_pas: float = 5e-5

    @property
    def soma_um(self):
        """Position of the soma's centre; positions count from the soma's far end."""
        return self.cylinders_um[0][0] / 2

    def solve(self, x_um, synapses, weight_uS, t_ms, step_um=2.0, rtol=1e-9):
        """Somatic u(t) by the method of lines, for a synapse at x that is activated at t = 0.

        A node has the membrane of half an element on either side (an element is a piece of cylinder
        between two nodes, step_um long), which is second order in the step.
        """
        counts = [round(length / step_um) for length, _ in self.cylinders_um]
        length, diam = np.repeat(self.cylinders_um, counts, axis=0).T
        element = length / np.repeat(counts, counts)
        node_um = np.r_[0, np.cumsum(element)]
        half = np.pi * diam * element / 2
        area = np.r_[half, 0] + np.r_[0, half]  # um2
        axial = 100 * np.pi * diam**2 / 4 / (self.Ra * element)  # uS
        capacitance = 1e-5 * self.cm * area  # nF
        leak = 1e-2 * self.g_pas * area  # uS
        soma, synapse = (int(np.argmin(np.abs(node_um - x))) for x in (self.soma_um, x_um))
        assert abs(node_um[soma] - self.soma_um) < 1e-6, "no node at the centre of the soma"
        assert abs(node_um[synapse] - x_um) < 1e-6, "no node at the synapse"

        def du_dt(t, u):
            along = axial * np.diff(u)
            current = np.r_[along, 0] - np.r_[0, along] - leak * u  # nA
            for s in synapses:
                current[synapse] += weight_uS * s.conductance(t) * (s.e_mV - u[synapse])
            return current / capacitance

        solution = solve_ivp(  # BDF where the equations are stiff; the Jacobian is tridiagonal
            du_dt, (0, t_ms[-1]), np.zeros(area.size), "LSODA", t_ms,
            rtol=rtol, atol=rtol / 10, lband=1, uband=1,
        )  # fmt: skip
        assert solution.success, solution.message
        return solution.y[soma]

    def transfer(self, x_um):
        """Steady state: u(soma) / u(x), and the cell's input conductance at x, uS.

        A cylinder of length l, with a conductance G at its far end, attenuates u by
        cosh(l / lambda) + G / G1 sinh(l / lambda) and has at its near end the conductance
        G1 (G + G1 tanh(l / lambda)) / (G1 + G tanh(l / lambda)), where lambda is the length
        constant and G1 the conductance of a semi-infinite cylinder. x: the soma's centre or beyond
        the soma, in the last of two cylinders.
        """
        (soma, soma_diam), (dend, dend_diam) = self.cylinders_um
        half = (soma / 2, soma_diam)
        _, inner = self._through(*half, 0.0)
        if x_um == self.soma_um:
            _, outer = self._through(dend, dend_diam, 0.0)
            _, outer = self._through(*half, outer)
            return 1.0, inner + outer
        in_soma, inner = self._through(*half, inner)
        in_dend, inner = self._through(x_um - soma, dend_diam, inner)
        _, outer = self._through(soma + dend - x_um, dend_diam, 0.0)
        return 1 / (in_soma * in_dend), inner + outer

    def _through(self, length_um, diam_um, end_uS):
        lambda_um = 1e4 * np.sqrt(1e-4 * diam_um / 4 / (self.Ra * self.g_pas))
        infinite = 100 * np.pi * diam_um**2 / 4 / (self.Ra * lambda_um)  # uS
        cosh, sinh = np.cosh(length_um / lambda_um), np.sinh(length_um / lambda_um)
        return (
            cosh + end_uS / infinite * sinh,
            infinite * (end_uS * cosh + infinite * sinh) / (infinite * cosh + end_uS * sinh),
        )

    def isopotential(self, synapses, weight_uS, t_ms):
        """u(t) of the soma alone, as one compartment of capacitance C and leak G.

        C du/dt = -G u + sum_k w g_k (E_k - u) is linear in u, so that

            u(t) = 1/C int_0^t sum_k w g_k(s) E_k exp(-(G (t - s) + w [I(t) - I(s)]) / C) ds,

        with I the integral of sum_k g_k, which is known in closed form.
        """
        area = np.pi * np.prod(self.cylinders_um[0])
        capacitance, leak = 1e-5 * self.cm * area, 1e-2 * self.g_pas * area  # nF, uS

        def decay(t):
            return (leak * t + weight_uS * sum(s.integral(t) for s in synapses)) / capacitance

        def integrand(s, t):
            drive = sum(weight_uS * k.conductance(s) * k.e_mV for k in synapses)
            return drive / capacitance * np.exp(decay(s) - decay(t))

        return np.array([quad(integrand, 0, t, (t,), epsabs=0, epsrel=1e-9)[0] for t in t_ms])
