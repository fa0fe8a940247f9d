"""The learning curves of a simulation as a page that needs nothing else."""

from pathlib import Path

import plotly.graph_objects as go

from workers.simulation.report import Curve


def write(curves: list[Curve], metric: str, path: Path) -> None:
    """One line per strategy, with a band of one deviation between seeds to either side."""
    figure = go.Figure()
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        upper = [m + d for m, d in zip(curve.mean, curve.deviation, strict=True)]
        lower = [m - d for m, d in zip(curve.mean, curve.deviation, strict=True)]
        if curve.seeds > 1:
            figure.add_scatter(
                x=curve.labels + curve.labels[::-1],
                y=upper + lower[::-1],
                fill="toself",
                fillcolor=colour,
                opacity=0.12,
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                legendgroup=curve.strategy,
            )
        figure.add_scatter(
            x=curve.labels,
            y=curve.mean,
            name=curve.strategy,
            mode="lines+markers",
            line={"color": colour, "dash": "dot" if curve.strategy == "random" else "solid"},
            legendgroup=curve.strategy,
        )
    figure.update_layout(
        template="plotly_white",
        xaxis_title="labels",
        yaxis_title=metric.replace("_", " "),
        legend_title="strategy",
        hovermode="x unified",
    )
    figure.write_html(path, include_plotlyjs=True)


COLOURS = ["#636363", "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2"]
