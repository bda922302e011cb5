"""Forecasting: the GPD diffusion teacher and one-pass quantile students."""
